//! The crash simulator of the storage engine.
//!
//! ```text
//! model     what a database holds, as maps; the changes of a workload
//! history   what was committed and acknowledged
//! process   what every process does to the engine: acknowledges, syncs, checkpoints
//! life      one process: opens the engine, does a script, keeps the model beside it
//! tap       shows every call to the monitor
//! monitor   the ordering assertions that know the formats
//! walk      page accounting and structure of a checkpoint
//! scripts   the scripted scenarios
//! random    runs that one seed decides
//! archive   the archive of the log is one history
//! exhaust   crash at every change of a script, every survivor set, every change of the recovery
//! ```

pub mod archive;
pub mod damage;
pub mod exhaust;
pub mod history;
pub mod life;
pub mod lives;
pub mod model;
pub mod monitor;
pub mod planted;
pub mod process;
pub mod random;
pub mod scripts;
pub mod tap;
pub mod walk;
