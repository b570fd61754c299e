//! Domain words as database columns.

use std::error::Error;
use std::str::FromStr;

use sqlx::Postgres;
use sqlx::postgres::{PgTypeInfo, PgValueRef};
use sqlx::{Decode, Type};

/// A text column that holds a word of the domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word<T>(pub(crate) T);

impl<T> Type<Postgres> for Word<T> {
    fn type_info() -> PgTypeInfo {
        <String as Type<Postgres>>::type_info()
    }

    fn compatible(ty: &PgTypeInfo) -> bool {
        <String as Type<Postgres>>::compatible(ty)
    }
}

impl<'r, T> Decode<'r, Postgres> for Word<T>
where
    T: FromStr,
    T::Err: Error + Send + Sync + 'static,
{
    fn decode(value: PgValueRef<'r>) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self(<&str as Decode<Postgres>>::decode(value)?.parse()?))
    }
}
