//! Strict JSON, for frames of the protocol and claims of tokens: one value and nothing after it, no member twice at any
//! depth, no lone surrogates, at most 127 levels of nesting.
//!
//! Two readers of one text must not understand it differently: of two members with one name, one takes the first and
//! another the last. A text is read once into a small tree that borrows its strings where they have no escapes.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Objects with more members than this are checked for doubled names with a set, smaller ones by looking through them.
const FEW_MEMBERS: usize = 16;

/// How deep arrays and objects may be nested. `serde_json` allows no more either, counted from where it begins to read.
const MAX_LEVELS: u8 = 127;

/// The doubles from which on integers don't fit into 64 bits.
const TWO_TO_THE_63: f64 = 9_223_372_036_854_775_808.0;
const MINUS_TWO_TO_THE_63: f64 = -TWO_TO_THE_63;

/// A JSON value. Arrays of anything but strings are checked and not kept: nothing reads them.
#[derive(Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// An integer of 64 bits.
    Integer(i64),
    /// An integer that needs more than 64 bits, as the nearest that does not: it is out of every range.
    HugeInteger(i64),
    /// A string.
    Text(Cow<'a, str>),
    /// An array of strings.
    Texts(Vec<Cow<'a, str>>),
    /// An object.
    Object(Object<'a>),
    /// A boolean, a number that is no integer, or an array that is not all strings.
    Other,
    /// Any value, with its text.
    Raw(&'a str, Box<Value<'a>>),
}

/// A JSON object, its members in the order in which they came.
#[derive(Debug, PartialEq, Default)]
pub struct Object<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl<'a> Value<'a> {
    /// Reads the whole of `text`; `None` unless it is strict JSON.
    pub fn parse(text: &'a str) -> Option<Self> {
        Self::parse_with(text, None)
    }

    /// The same, with the member `name` of the outermost object as [`Value::Raw`].
    pub fn parse_with_raw(text: &'a str, name: &'static str) -> Option<Self> {
        Self::parse_with(text, Some(name))
    }

    fn parse_with(text: &'a str, raw_member: Option<&'static str>) -> Option<Self> {
        let mut json = serde_json::Deserializer::from_str(text);
        let value = ValueSeed { levels_left: MAX_LEVELS, raw_member }.deserialize(&mut json).ok()?;
        json.end().ok()?;
        Some(value)
    }
}

impl<'a> Object<'a> {
    /// Removes and returns the member `name`; `None` when it is absent or null.
    pub fn take(&mut self, name: &str) -> Option<Value<'a>> {
        self.take_even_null(name).filter(|value| *value != Value::Null)
    }

    /// Removes and returns the member `name`, which may be null.
    pub fn take_even_null(&mut self, name: &str) -> Option<Value<'a>> {
        let at = self.0.iter().position(|(member, _)| member == name)?;
        Some(self.0.remove(at).1)
    }

    /// The members that were not taken, in the order in which they came.
    pub fn into_members(self) -> impl Iterator<Item = (Cow<'a, str>, Value<'a>)> {
        self.0.into_iter()
    }
}

/// Reads a value, and refuses one that is nested too deeply.
#[derive(Clone, Copy)]
struct ValueSeed {
    levels_left: u8,
    /// A member of this object, but of none inside it, that is kept with its text.
    raw_member: Option<&'static str>,
}

impl ValueSeed {
    /// For what is one level deeper.
    fn inside<E: Error>(self) -> Result<Self, E> {
        match self.levels_left.checked_sub(1) {
            Some(levels_left) => Ok(Self { levels_left, raw_member: None }),
            None => Err(E::custom("nested too deeply")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Value::Other)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Value::HugeInteger(i64::MAX), Value::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        // serde_json hands over as doubles the integers, too, that have more than 64 bits. Of doubles this large, each is an
        // integer.
        Ok(match number {
            TWO_TO_THE_63.. => Value::HugeInteger(i64::MAX),
            ..=MINUS_TWO_TO_THE_63 => Value::HugeInteger(i64::MIN),
            _ => Value::Other,
        })
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let inside = self.inside()?;
        let mut texts = Some(Vec::new());
        while let Some(item) = items.next_element_seed(inside)? {
            match (item, &mut texts) {
                (Value::Text(text), Some(texts)) => texts.push(text),
                _ => texts = None,
            }
        }
        Ok(texts.map_or(Value::Other, Value::Texts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let inside = self.inside()?;
        let mut object: Vec<(Cow<'de, str>, Value<'de>)> = Vec::with_capacity(4);
        let mut names = HashSet::new();
        while let Some(name) = members.next_key_seed(Name)? {
            let doubled = if object.len() < FEW_MEMBERS {
                object.iter().any(|(member, _)| *member == name)
            } else {
                if names.is_empty() {
                    names.extend(object.iter().map(|(member, _)| member.clone()));
                }
                !names.insert(name.clone())
            };
            if doubled {
                return Err(A::Error::custom("a member twice"));
            }
            let value = if self.raw_member == Some(&*name) {
                let raw: &RawValue = members.next_value()?;
                let value = inside.deserialize(&mut serde_json::Deserializer::from_str(raw.get()));
                Value::Raw(raw.get(), Box::new(value.map_err(A::Error::custom)?))
            } else {
                members.next_value_seed(inside)?
            };
            object.push((name, value));
        }
        Ok(Value::Object(Object(object)))
    }
}

/// Reads a member's name, borrowed when it can be.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_strict_json_is_refused() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let many = (0..40).map(|n| format!("\"m{n}\":1,")).collect::<Vec<_>>().concat();
        let doubled_late = format!("{{{many}\"m3\":2}}");
        let doubled_inside = r#"{"a":{"b":1,"\u0062":2}}"#;
        for text in ["", "{", "{} x", r#"{"a":1,"a":2}"#, doubled_inside, r#""\ud800""#, &deep, &doubled_late] {
            assert_eq!(Value::parse(text), None, "{text}");
        }
    }

    #[test]
    fn as_deep_as_the_documentation_says_and_no_deeper() {
        for (levels, is_read) in [(127, true), (128, false)] {
            let text = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
            assert_eq!(Value::parse(&text).is_some(), is_read, "{levels} levels");
            let around = format!(r#"{{"d":{}{}}}"#, "[".repeat(levels - 1), "]".repeat(levels - 1));
            assert_eq!(Value::parse_with_raw(&around, "d").is_some(), is_read, "{levels} levels around");
        }
    }

    #[test]
    fn a_raw_member_is_as_strict_as_any_other_and_keeps_its_text() {
        let text = r#"{"a":{"d":1}, "d": {"x" : [1, 2]} }"#;
        let Some(Value::Object(mut object)) = Value::parse_with_raw(text, "d") else { panic!("an object") };
        let Some(Value::Object(mut inner)) = object.take("a") else { panic!("an object") };
        assert_eq!(inner.take("d"), Some(Value::Integer(1)));
        let Some(Value::Raw(text, value)) = object.take("d") else { panic!("a raw value") };
        assert!(text == r#"{"x" : [1, 2]}"# && matches!(*value, Value::Object(_)), "{text}");
        for text in [r#"{"d":{"x":1,"x":2}}"#, r#"{"d":1,"d":2}"#, r#"{"d":"\ud800"}"#, r#"{"d":1e999}"#, r#"{"d":}"#] {
            assert_eq!(Value::parse_with_raw(text, "d"), None, "{text}");
        }
    }

    #[test]
    fn values_are_told_apart_as_the_protocol_needs() {
        assert_eq!(Value::parse(" null "), Some(Value::Null));
        assert_eq!(Value::parse("-5"), Some(Value::Integer(-5)));
        assert_eq!(Value::parse("1.0"), Some(Value::Other));
        assert_eq!(Value::parse("9223372036854775807"), Some(Value::Integer(i64::MAX)));
        for (text, nearest) in [
            ("9223372036854775808", i64::MAX),
            ("1000000000000000000000000000000", i64::MAX),
            ("-9223372036854775809", i64::MIN),
        ] {
            assert_eq!(Value::parse(text), Some(Value::HugeInteger(nearest)), "{text}");
        }
        assert_eq!(Value::parse(r#"["a","b"]"#), Some(Value::Texts(vec!["a".into(), "b".into()])));
        assert_eq!(Value::parse(r#"["a",1]"#), Some(Value::Other));
        assert_eq!(Value::parse(r#""\u0000""#), Some(Value::Text("\0".into())));
    }
}
