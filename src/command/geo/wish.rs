//! What a search for positions asks for, as words.

use super::{position, unit};
use crate::command::argument::{integer, is_word};
use crate::command::{Call, Failure, errors};
use crate::keyspace::double;
use crate::keyspace::geo::{Form, Position, Shape};
use crate::keyspace::sorted_set::Members;
use crate::resp::ErrorReply;
use crate::storage::Engine;

/// The commands that search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// GEORADIUS, or with a read-only name.
    Radius {
        stores: bool,
    },
    /// GEORADIUSBYMEMBER, or with a read-only name.
    RadiusByMember {
        stores: bool,
    },
    Search,
    SearchStore,
}

impl Family {
    fn is_search(self) -> bool {
        matches!(self, Self::Search | Self::SearchStore)
    }

    /// Whether STORE and STOREDIST take a key.
    fn takes_store(self) -> bool {
        matches!(
            self,
            Self::Radius { stores: true } | Self::RadiusByMember { stores: true }
        )
    }
}

/// In which order positions are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they are found.
    Found,
    Ascending,
    Descending,
}

/// What a search asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Where to look. Of a set that is not there nothing is asked.
    pub shape: Option<Shape>,
    pub order: Order,
    /// How many are wanted; 0: all.
    pub count: u64,
    /// The first that are found will do.
    pub any: bool,
    pub with_distance: bool,
    pub with_hash: bool,
    pub with_position: bool,
    /// Where the result is stored.
    pub destination: Option<&'a [u8]>,
    /// The scores stored are distances.
    pub stores_distances: bool,
}

impl<'a> Wish<'a> {
    /// Reads the words of a search in the set of these members; None: it is not there.
    pub fn parse(
        call: &mut Call<'a>,
        family: Family,
        members: Option<&Members>,
    ) -> Result<Self, Failure> {
        let args = call.args;
        let engine = &mut call.keyspace.engine;
        let mut reader = Reader::new(family, members);
        let words = match family {
            Family::Radius { .. } => {
                reader.centre = Some(position(args[2], args[3])?);
                reader.form = Some(circle(args[4], args[5])?);
                &args[6..]
            }
            Family::RadiusByMember { .. } => {
                if members.is_some() {
                    reader.centre = reader.position_of(engine, args[2])?;
                    reader.form = Some(circle(args[3], args[4])?);
                }
                &args[5..]
            }
            Family::Search => &args[2..],
            Family::SearchStore => {
                reader.wish.destination = Some(args[1]);
                &args[3..]
            }
        };
        reader.read(engine, words)?;
        reader.finish(args[0])
    }
}

/// A form and the metres of its unit.
type Measured = (Form, f64);

fn circle(radius: &[u8], unit_word: &[u8]) -> Result<Measured, ErrorReply> {
    let radius = double::parse(radius).ok_or(errors::RADIUS_NOT_A_NUMBER)?;
    if radius < 0.0 {
        return Err(errors::RADIUS_NEGATIVE);
    }
    Ok((Form::Circle { radius }, unit(unit_word)?))
}

fn rectangle(width: &[u8], height: &[u8], unit_word: &[u8]) -> Result<Measured, ErrorReply> {
    let width = double::parse(width).ok_or(errors::WIDTH_NOT_A_NUMBER)?;
    let height = double::parse(height).ok_or(errors::HEIGHT_NOT_A_NUMBER)?;
    if height < 0.0 || width < 0.0 {
        return Err(errors::BOX_NEGATIVE);
    }
    Ok((Form::Box { width, height }, unit(unit_word)?))
}

/// A wish that is being read.
struct Reader<'a, 'm> {
    family: Family,
    members: Option<&'m Members>,
    wish: Wish<'a>,
    centre: Option<Position>,
    form: Option<Measured>,
    from_member: bool,
    from_position: bool,
}

impl<'a, 'm> Reader<'a, 'm> {
    fn new(family: Family, members: Option<&'m Members>) -> Self {
        Self {
            family,
            members,
            wish: Wish {
                shape: None,
                order: Order::Found,
                count: 0,
                any: false,
                with_distance: false,
                with_hash: false,
                with_position: false,
                destination: None,
                stores_distances: false,
            },
            centre: None,
            form: None,
            from_member: false,
            from_position: false,
        }
    }

    /// Where a member is; None: there is no set.
    fn position_of(&self, engine: &mut Engine, member: &[u8]) -> Result<Option<Position>, Failure> {
        let Some(members) = self.members else {
            return Ok(None);
        };
        let score = members.score(engine, member)?;
        let score = score.ok_or(errors::MEMBER_NOT_DECODED)?;
        Ok(Some(Position::of_score(score)))
    }

    fn read(&mut self, engine: &mut Engine, mut words: &[&'a [u8]]) -> Result<(), Failure> {
        while let Some((word, rest)) = words.split_first() {
            let wish = &mut self.wish;
            words = rest;
            match () {
                () if is_word(word, "WITHDIST") => wish.with_distance = true,
                () if is_word(word, "WITHHASH") => wish.with_hash = true,
                () if is_word(word, "WITHCOORD") => wish.with_position = true,
                () if is_word(word, "ANY") => wish.any = true,
                () if is_word(word, "ASC") => wish.order = Order::Ascending,
                () if is_word(word, "DESC") => wish.order = Order::Descending,
                () if is_word(word, "COUNT") && !rest.is_empty() => {
                    let count = integer(rest[0])?;
                    if count <= 0 {
                        return Err(errors::COUNT_MUST_BE_POSITIVE.into());
                    }
                    wish.count = count.cast_unsigned();
                    words = &rest[1..];
                }
                () if self.family.is_search() => {
                    words = self.read_of_search(engine, word, rest)?;
                }
                () => words = self.read_of_radius(word, rest)?,
            }
        }
        Ok(())
    }

    /// STORE and STOREDIST of GEORADIUS; gives the words behind.
    fn read_of_radius<'w>(
        &mut self,
        word: &[u8],
        rest: &'w [&'a [u8]],
    ) -> Result<&'w [&'a [u8]], ErrorReply> {
        let is_distance = is_word(word, "STOREDIST");
        match rest.split_first() {
            Some((key, rest))
                if self.family.takes_store() && (is_distance || is_word(word, "STORE")) =>
            {
                self.wish.destination = Some(key);
                self.wish.stores_distances = is_distance;
                Ok(rest)
            }
            _ => Err(errors::SYNTAX),
        }
    }

    /// What only GEOSEARCH and GEOSEARCHSTORE know; gives the words behind.
    fn read_of_search<'w>(
        &mut self,
        engine: &mut Engine,
        word: &[u8],
        rest: &'w [&'a [u8]],
    ) -> Result<&'w [&'a [u8]], Failure> {
        if self.family == Family::SearchStore && is_word(word, "STOREDIST") {
            self.wish.stores_distances = true;
            return Ok(rest);
        }
        let is_circle = matches!(self.form, Some((Form::Circle { .. }, _)));
        let is_box = matches!(self.form, Some((Form::Box { .. }, _)));
        match rest {
            [member, rest @ ..] if is_word(word, "FROMMEMBER") && !self.from_position => {
                self.centre = self.position_of(engine, member)?;
                self.from_member = true;
                Ok(rest)
            }
            [longitude, latitude, rest @ ..]
                if is_word(word, "FROMLONLAT") && !self.from_member =>
            {
                self.centre = Some(position(longitude, latitude)?);
                self.from_position = true;
                Ok(rest)
            }
            [radius, unit, rest @ ..] if is_word(word, "BYRADIUS") && !is_box => {
                self.form = Some(circle(radius, unit)?);
                Ok(rest)
            }
            [width, height, unit, rest @ ..] if is_word(word, "BYBOX") && !is_circle => {
                self.form = Some(rectangle(width, height, unit)?);
                Ok(rest)
            }
            _ => Err(errors::SYNTAX.into()),
        }
    }

    /// Checks that the options go together. `name` is the command's as it was sent.
    fn finish(mut self, name: &[u8]) -> Result<Wish<'a>, Failure> {
        let wish = &mut self.wish;
        let shows = wish.with_distance || wish.with_hash || wish.with_position;
        if wish.destination.is_some() && shows {
            return Err(match self.family {
                Family::SearchStore => errors::SEARCHSTORE_WITH,
                _ => errors::RADIUS_STORE_WITH,
            }
            .into());
        }
        if self.family.is_search() {
            if !self.from_member && !self.from_position {
                return Err(errors::search_without_centre(name).into());
            }
            if self.form.is_none() {
                return Err(errors::search_without_shape(name).into());
            }
        }
        if wish.any && wish.count == 0 {
            return Err(errors::ANY_WITHOUT_COUNT.into());
        }
        wish.shape = self
            .centre
            .zip(self.form)
            .map(|(centre, (form, unit))| Shape { centre, form, unit });
        Ok(self.wish)
    }
}
