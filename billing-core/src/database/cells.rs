//! Rows as cells: what a row's serialization says about each column of a table.
//!
//! A row is a struct whose fields have the columns' names. Fields that no column has are left out;
//! columns that no field has are null.

use std::fmt::Display;

use serde::Serialize;
use serde::ser::{Error, Impossible, SerializeMap, SerializeStruct, Serializer};

use super::Kind;
use crate::store::StoreError;

/// The value of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Text(String),
    Integer(i64),
    Bool(bool),
    Bytes(Vec<u8>),
}

/// The cells of a row, one for each column.
pub(super) fn cells_of(
    columns: &[(&'static str, Kind)],
    row: &impl Serialize,
) -> Result<Vec<Cell>, StoreError> {
    let fields = Fields {
        columns,
        cells: vec![Cell::Null; columns.len()],
        expected: 0,
        column: None,
    };
    row.serialize(RowSerializer(fields))
        .map_err(|_| StoreError::Refused)
}

/// What is not a row, or not a value that a column takes.
#[derive(Debug, thiserror::Error)]
#[error("it is no row of a table")]
struct NoRow;

impl Error for NoRow {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

struct Fields<'c> {
    columns: &'c [(&'static str, Kind)],
    cells: Vec<Cell>,
    /// The column that comes next if the fields stand in the columns' order, as most do.
    expected: usize,
    /// Of a map, the column of the key that was given last.
    column: Option<usize>,
}

impl Fields<'_> {
    fn find(&mut self, name: &str) -> Option<usize> {
        let is_it = |index: &usize| self.columns.get(*index).is_some_and(|(n, _)| *n == name);
        let index = Some(self.expected)
            .filter(is_it)
            .or_else(|| (0..self.columns.len()).find(is_it))?;
        self.expected = index + 1;
        Some(index)
    }

    fn set<T: Serialize + ?Sized>(&mut self, column: usize, value: &T) -> Result<(), NoRow> {
        self.cells[column] = match self.columns[column].1 {
            Kind::Json => match serde_json::to_string(value).map_err(|_| NoRow)? {
                text if text == "null" => Cell::Null,
                text => Cell::Text(text),
            },
            _ => value.serialize(CellSerializer)?,
        };
        Ok(())
    }
}

impl SerializeStruct for Fields<'_> {
    type Ok = Vec<Cell>;
    type Error = NoRow;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), NoRow> {
        match self.find(key) {
            Some(column) => self.set(column, value),
            None => Ok(()),
        }
    }

    fn end(self) -> Result<Vec<Cell>, NoRow> {
        Ok(self.cells)
    }
}

// What a flattened struct is.
impl SerializeMap for Fields<'_> {
    type Ok = Vec<Cell>;
    type Error = NoRow;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), NoRow> {
        let Cell::Text(name) = key.serialize(CellSerializer)? else {
            return Err(NoRow);
        };
        self.column = self.find(&name);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoRow> {
        match self.column.take() {
            Some(column) => self.set(column, value),
            None => Ok(()),
        }
    }

    fn end(self) -> Result<Vec<Cell>, NoRow> {
        Ok(self.cells)
    }
}

/// What neither a row nor a cell is made of.
macro_rules! refuse {
    ($($method:ident($($kind:ty),*) -> $result:ty;)*) => {
        $(fn $method(self, $(_: $kind),*) -> Result<$result, NoRow> {
            Err(NoRow)
        })*
    };
}

type No = Impossible<Vec<Cell>, NoRow>;

struct RowSerializer<'c>(Fields<'c>);

impl<'c> Serializer for RowSerializer<'c> {
    type Ok = Vec<Cell>;
    type Error = NoRow;
    type SerializeSeq = No;
    type SerializeTuple = No;
    type SerializeTupleStruct = No;
    type SerializeTupleVariant = No;
    type SerializeMap = Fields<'c>;
    type SerializeStruct = Fields<'c>;
    type SerializeStructVariant = No;

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'c>, NoRow> {
        Ok(self.0)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Fields<'c>, NoRow> {
        Ok(self.0)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Vec<Cell>, NoRow> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Vec<Cell>, NoRow> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Vec<Cell>, NoRow> {
        Err(NoRow)
    }

    refuse! {
        serialize_bool(bool) -> Vec<Cell>;
        serialize_i8(i8) -> Vec<Cell>;
        serialize_i16(i16) -> Vec<Cell>;
        serialize_i32(i32) -> Vec<Cell>;
        serialize_i64(i64) -> Vec<Cell>;
        serialize_u8(u8) -> Vec<Cell>;
        serialize_u16(u16) -> Vec<Cell>;
        serialize_u32(u32) -> Vec<Cell>;
        serialize_u64(u64) -> Vec<Cell>;
        serialize_f32(f32) -> Vec<Cell>;
        serialize_f64(f64) -> Vec<Cell>;
        serialize_char(char) -> Vec<Cell>;
        serialize_str(&str) -> Vec<Cell>;
        serialize_bytes(&[u8]) -> Vec<Cell>;
        serialize_none() -> Vec<Cell>;
        serialize_unit() -> Vec<Cell>;
        serialize_unit_struct(&'static str) -> Vec<Cell>;
        serialize_unit_variant(&'static str, u32, &'static str) -> Vec<Cell>;
        serialize_seq(Option<usize>) -> No;
        serialize_tuple(usize) -> No;
        serialize_tuple_struct(&'static str, usize) -> No;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> No;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> No;
    }
}

struct CellSerializer;

impl CellSerializer {
    fn integer(value: impl TryInto<i64>) -> Result<Cell, NoRow> {
        value.try_into().map(Cell::Integer).map_err(|_| NoRow)
    }
}

impl Serializer for CellSerializer {
    type Ok = Cell;
    type Error = NoRow;
    type SerializeSeq = Impossible<Cell, NoRow>;
    type SerializeTuple = Impossible<Cell, NoRow>;
    type SerializeTupleStruct = Impossible<Cell, NoRow>;
    type SerializeTupleVariant = Impossible<Cell, NoRow>;
    type SerializeMap = Impossible<Cell, NoRow>;
    type SerializeStruct = Impossible<Cell, NoRow>;
    type SerializeStructVariant = Impossible<Cell, NoRow>;

    /// Bytes come as they are.
    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Result<Cell, NoRow> {
        Ok(Cell::Bool(value))
    }

    fn serialize_i8(self, value: i8) -> Result<Cell, NoRow> {
        Self::integer(value)
    }

    fn serialize_i16(self, value: i16) -> Result<Cell, NoRow> {
        Self::integer(value)
    }

    fn serialize_i32(self, value: i32) -> Result<Cell, NoRow> {
        Self::integer(value)
    }

    fn serialize_i64(self, value: i64) -> Result<Cell, NoRow> {
        Self::integer(value)
    }

    fn serialize_u8(self, value: u8) -> Result<Cell, NoRow> {
        Self::integer(value)
    }

    fn serialize_u16(self, value: u16) -> Result<Cell, NoRow> {
        Self::integer(value)
    }

    fn serialize_u32(self, value: u32) -> Result<Cell, NoRow> {
        Self::integer(value)
    }

    fn serialize_u64(self, value: u64) -> Result<Cell, NoRow> {
        Self::integer(value)
    }

    fn serialize_str(self, value: &str) -> Result<Cell, NoRow> {
        Ok(Cell::Text(value.to_owned()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Cell, NoRow> {
        Ok(Cell::Bytes(value.to_vec()))
    }

    fn serialize_none(self) -> Result<Cell, NoRow> {
        Ok(Cell::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Cell, NoRow> {
        value.serialize(self)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Cell, NoRow> {
        Ok(Cell::Text(variant.to_owned()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Cell, NoRow> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Cell, NoRow> {
        Err(NoRow)
    }

    refuse! {
        serialize_f32(f32) -> Cell;
        serialize_f64(f64) -> Cell;
        serialize_char(char) -> Cell;
        serialize_unit() -> Cell;
        serialize_unit_struct(&'static str) -> Cell;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}
