//! A database inside a program: `cargo run --example embedded -- /tmp/data.keep`

use redkeep::db::{Db, DbError, Options};

fn main() -> Result<(), DbError> {
    let path = std::env::args().nth(1);
    let db = Db::open(path.unwrap_or("data.keep".to_owned()), Options::default())?;
    let visits = db.incr_by("visits", 1)?;
    db.hset("user:1", "name", "Ada")?;
    db.zadd("scores", "Ada", 12.5)?;
    println!("visit {visits}");
    for (field, value) in db.hgetall("user:1")? {
        println!(
            "{}: {}",
            field.escape_ascii(),
            String::from_utf8_lossy(&value)
        );
    }
    // Any command can be given as its words.
    println!(
        "{:?}",
        db.call(&["ZRANGE", "scores", "0", "-1", "WITHSCORES"])?
    );
    db.close()
}
