//! Money moves from one account to another, or not at all: `cargo run --example transactions -- /tmp/accounts.keep`

use redkeep::db::{Db, DbError, Options, Value};

/// Moves an amount if the account has it. Someone who changes the account meanwhile makes it begin again.
fn transfer(db: &Db, from: &str, to: &str, amount: i64) -> Result<bool, DbError> {
    let mut connection = db.connect();
    loop {
        connection.call(&["WATCH", from])?;
        let balance = match connection.call(&["GET", from])? {
            Value::Bulk(digits) => String::from_utf8_lossy(&digits).parse().unwrap_or(0),
            _ => 0,
        };
        if balance < amount {
            connection.call(&["UNWATCH"])?;
            return Ok(false);
        }
        let amount = amount.to_string();
        connection.call(&["MULTI"])?;
        connection.call(&["DECRBY", from, &amount])?;
        connection.call(&["INCRBY", to, &amount])?;
        if connection.call(&["EXEC"])? != Value::Nil {
            return Ok(true);
        }
    }
}

fn main() -> Result<(), DbError> {
    let path = std::env::args().nth(1);
    let db = Db::open(
        path.unwrap_or("accounts.keep".to_owned()),
        Options::default(),
    )?;
    db.set("anna", "100")?;
    db.set("ben", "0")?;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| transfer(&db, "anna", "ben", 30));
        }
    });
    // A snapshot shows both accounts at one moment, whatever happens meanwhile.
    db.snapshot().each_key(&mut |key| {
        println!("{}: {:?}", key.name.escape_ascii(), key.value);
        true
    })?;
    db.close()
}
