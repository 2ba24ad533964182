//! The commands that programs use most, as methods. All work on database 0; [`super::Connection`] reaches the others.

use std::time::Duration;

use super::{Db, DbError, Value};

type Bytes = Vec<u8>;

impl Db {
    /// GET: the string at a key.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, DbError> {
        bytes(self.call(&[b"GET", key.as_ref()])?)
    }

    /// SET: a string that stays.
    pub fn set(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), DbError> {
        self.call(&[b"SET", key.as_ref(), value.as_ref()]).map(drop)
    }

    /// SET with PX: a string that is gone after `time`, counted in whole milliseconds, at least one.
    pub fn set_for(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        time: Duration,
    ) -> Result<(), DbError> {
        let ms = time.as_millis().max(1).to_string();
        let words = [b"SET", key.as_ref(), value.as_ref(), b"PX", ms.as_bytes()];
        self.call(&words).map(drop)
    }

    /// DEL: how many of the keys were there.
    pub fn del(&self, keys: &[impl AsRef<[u8]>]) -> Result<u64, DbError> {
        count(self.call(&with(b"DEL", keys))?)
    }

    /// EXISTS of one key.
    pub fn exists(&self, key: impl AsRef<[u8]>) -> Result<bool, DbError> {
        Ok(count(self.call(&[b"EXISTS", key.as_ref()])?)? > 0)
    }

    /// PEXPIRE: whether the key is there.
    pub fn expire(&self, key: impl AsRef<[u8]>, time: Duration) -> Result<bool, DbError> {
        let ms = time.as_millis().to_string();
        Ok(count(self.call(&[b"PEXPIRE", key.as_ref(), ms.as_bytes()])?)? > 0)
    }

    /// PTTL: how long the key stays; None where it is not there or stays for ever.
    pub fn ttl(&self, key: impl AsRef<[u8]>) -> Result<Option<Duration>, DbError> {
        let ms = int(self.call(&[b"PTTL", key.as_ref()])?)?;
        Ok(u64::try_from(ms).ok().map(Duration::from_millis))
    }

    /// INCRBY: the number at the key afterwards.
    pub fn incr_by(&self, key: impl AsRef<[u8]>, by: i64) -> Result<i64, DbError> {
        int(self.call(&[b"INCRBY", key.as_ref(), by.to_string().as_bytes()])?)
    }

    /// HSET of one field: whether it is new.
    pub fn hset(
        &self,
        key: impl AsRef<[u8]>,
        field: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<bool, DbError> {
        let words = [b"HSET", key.as_ref(), field.as_ref(), value.as_ref()];
        Ok(count(self.call(&words)?)? > 0)
    }

    /// HGET: the value of a field.
    pub fn hget(
        &self,
        key: impl AsRef<[u8]>,
        field: impl AsRef<[u8]>,
    ) -> Result<Option<Bytes>, DbError> {
        bytes(self.call(&[b"HGET", key.as_ref(), field.as_ref()])?)
    }

    /// HGETALL: fields and values.
    pub fn hgetall(&self, key: impl AsRef<[u8]>) -> Result<Vec<(Bytes, Bytes)>, DbError> {
        let mut flat = list(self.call(&[b"HGETALL", key.as_ref()])?)?.into_iter();
        let mut pairs = Vec::with_capacity(flat.len() / 2);
        while let (Some(field), Some(value)) = (flat.next(), flat.next()) {
            pairs.push((field, value));
        }
        Ok(pairs)
    }

    /// HDEL: how many of the fields were there.
    pub fn hdel(&self, key: impl AsRef<[u8]>, fields: &[impl AsRef<[u8]>]) -> Result<u64, DbError> {
        count(self.call(&with_key(b"HDEL", key.as_ref(), fields))?)
    }

    /// LPUSH: how long the list is afterwards.
    pub fn lpush(
        &self,
        key: impl AsRef<[u8]>,
        elements: &[impl AsRef<[u8]>],
    ) -> Result<u64, DbError> {
        count(self.call(&with_key(b"LPUSH", key.as_ref(), elements))?)
    }

    /// RPUSH: how long the list is afterwards.
    pub fn rpush(
        &self,
        key: impl AsRef<[u8]>,
        elements: &[impl AsRef<[u8]>],
    ) -> Result<u64, DbError> {
        count(self.call(&with_key(b"RPUSH", key.as_ref(), elements))?)
    }

    /// LPOP of one element.
    pub fn lpop(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, DbError> {
        bytes(self.call(&[b"LPOP", key.as_ref()])?)
    }

    /// RPOP of one element.
    pub fn rpop(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, DbError> {
        bytes(self.call(&[b"RPOP", key.as_ref()])?)
    }

    /// LRANGE: elements from the first to the last place, both included, counted from the end where negative.
    pub fn lrange(
        &self,
        key: impl AsRef<[u8]>,
        first: i64,
        last: i64,
    ) -> Result<Vec<Bytes>, DbError> {
        let (first, last) = (first.to_string(), last.to_string());
        let words = [b"LRANGE", key.as_ref(), first.as_bytes(), last.as_bytes()];
        list(self.call(&words)?)
    }

    /// SADD: how many of the members are new.
    pub fn sadd(
        &self,
        key: impl AsRef<[u8]>,
        members: &[impl AsRef<[u8]>],
    ) -> Result<u64, DbError> {
        count(self.call(&with_key(b"SADD", key.as_ref(), members))?)
    }

    /// SREM: how many of the members were there.
    pub fn srem(
        &self,
        key: impl AsRef<[u8]>,
        members: &[impl AsRef<[u8]>],
    ) -> Result<u64, DbError> {
        count(self.call(&with_key(b"SREM", key.as_ref(), members))?)
    }

    /// SMEMBERS, in no order that means anything.
    pub fn smembers(&self, key: impl AsRef<[u8]>) -> Result<Vec<Bytes>, DbError> {
        list(self.call(&[b"SMEMBERS", key.as_ref()])?)
    }

    /// SISMEMBER.
    pub fn sismember(
        &self,
        key: impl AsRef<[u8]>,
        member: impl AsRef<[u8]>,
    ) -> Result<bool, DbError> {
        Ok(count(self.call(&[b"SISMEMBER", key.as_ref(), member.as_ref()])?)? > 0)
    }

    /// ZADD of one member: whether it is new.
    pub fn zadd(
        &self,
        key: impl AsRef<[u8]>,
        member: impl AsRef<[u8]>,
        score: f64,
    ) -> Result<bool, DbError> {
        let score = score.to_string();
        let words = [b"ZADD", key.as_ref(), score.as_bytes(), member.as_ref()];
        Ok(count(self.call(&words)?)? > 0)
    }

    /// ZSCORE.
    pub fn zscore(
        &self,
        key: impl AsRef<[u8]>,
        member: impl AsRef<[u8]>,
    ) -> Result<Option<f64>, DbError> {
        let text = bytes(self.call(&[b"ZSCORE", key.as_ref(), member.as_ref()])?)?;
        text.map(|text| double(&text)).transpose()
    }

    /// ZRANGE by place, with scores, lowest first.
    pub fn zrange(
        &self,
        key: impl AsRef<[u8]>,
        first: i64,
        last: i64,
    ) -> Result<Vec<(Bytes, f64)>, DbError> {
        let (first, last) = (first.to_string(), last.to_string());
        let (first, last) = (first.as_bytes(), last.as_bytes());
        let words = [b"ZRANGE", key.as_ref(), first, last, b"WITHSCORES"];
        let mut flat = list(self.call(&words)?)?.into_iter();
        let mut pairs = Vec::with_capacity(flat.len() / 2);
        while let (Some(member), Some(score)) = (flat.next(), flat.next()) {
            pairs.push((member, double(&score)?));
        }
        Ok(pairs)
    }

    /// DBSIZE: keys in database 0, with those that are due and not removed yet.
    pub fn len(&self) -> Result<u64, DbError> {
        count(self.call(&[b"DBSIZE"])?)
    }

    /// Whether database 0 has no keys.
    pub fn is_empty(&self) -> Result<bool, DbError> {
        Ok(self.len()? == 0)
    }
}

fn with<'a, W: AsRef<[u8]>>(name: &'a [u8], words: &'a [W]) -> Vec<&'a [u8]> {
    let mut all = vec![name];
    all.extend(words.iter().map(AsRef::as_ref));
    all
}

fn with_key<'a, W: AsRef<[u8]>>(name: &'a [u8], key: &'a [u8], words: &'a [W]) -> Vec<&'a [u8]> {
    let mut all = vec![name, key];
    all.extend(words.iter().map(AsRef::as_ref));
    all
}

fn bytes(value: Value) -> Result<Option<Bytes>, DbError> {
    match value {
        Value::Bulk(bytes) => Ok(Some(bytes)),
        Value::Nil => Ok(None),
        _ => Err(DbError::Unexpected("a string")),
    }
}

fn int(value: Value) -> Result<i64, DbError> {
    match value {
        Value::Int(n) => Ok(n),
        _ => Err(DbError::Unexpected("an integer")),
    }
}

fn count(value: Value) -> Result<u64, DbError> {
    u64::try_from(int(value)?).map_err(|_| DbError::Unexpected("a count"))
}

fn list(value: Value) -> Result<Vec<Bytes>, DbError> {
    let Value::Array(elements) = value else {
        return Err(DbError::Unexpected("an array"));
    };
    elements
        .into_iter()
        .map(|element| bytes(element)?.ok_or(DbError::Unexpected("a string")))
        .collect()
}

fn double(text: &[u8]) -> Result<f64, DbError> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(DbError::Unexpected("a number"))
}
