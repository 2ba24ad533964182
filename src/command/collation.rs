//! `locale-collate`: how texts are ordered where SORT ALPHA replies with them.

use std::fmt::Debug;
use std::sync::Arc;

use parking_lot::RwLock;

use super::machine::Machine;
use crate::config::{Config, Key, Refusal};
use crate::resp::text::until_nul;

/// An order of texts.
pub trait Locale: Send + Sync + Debug {
    /// Bytes without a zero, which stand in order as the texts that they are made of do. A text ends at its first zero byte.
    fn key(&self, text: &[u8]) -> Vec<u8>;
}

/// No locale has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Failed to configure LOCALE for invalid locale name.")]
pub struct UnknownLocale;

/// The order of now.
#[derive(Debug, Default)]
pub struct Collation {
    /// None: that of bytes.
    locale: RwLock<Option<Arc<dyn Locale>>>,
}

impl Collation {
    /// Takes the locale that `config` names, as C reads the name: up to a zero byte. After an error nothing has changed.
    pub fn load(&self, config: &Config, machine: &dyn Machine) -> Result<(), UnknownLocale> {
        let name = config.text(Key::LocaleCollate);
        *self.locale.write() = machine.locale(until_nul(&name))?;
        Ok(())
    }

    /// Makes a new value of the directive act.
    pub fn apply(
        &self,
        config: &Config,
        machine: &dyn Machine,
        changed: &[Key],
    ) -> Result<(), Refusal> {
        if !changed.contains(&Key::LocaleCollate) {
            return Ok(());
        }
        self.load(config, machine).map_err(|UnknownLocale| Refusal {
            key: Key::LocaleCollate,
            text: "Invalid locale name".to_owned(),
        })
    }

    /// None: texts are compared as bytes.
    pub fn locale(&self) -> Option<Arc<dyn Locale>> {
        self.locale.read().clone()
    }
}
