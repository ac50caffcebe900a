//! How shapes are written down: each field once, with its meaning and where its value comes from.

/// Defines shapes, each with its one conversion, as tables of `name: type = value`.
///
/// `from` implements [`From`] for the type after the colon, and `try_from` [`TryFrom`], which fails where a rate or an
/// amount does not fit into 256 bits. A shape without either is put together by whoever knows its parts.
macro_rules! shapes {
    () => {};
    (@struct $(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)+ }) => {
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        $(#[$meta])*
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)+
        }
    };
    (
        $(#[$meta:meta])*
        pub struct $name:ident from $source:tt: $from:ty {
            $($(#[$field_meta:meta])* $field:ident: $type:ty = $value:expr,)+
        }
        $($rest:tt)*
    ) => {
        shapes! { @struct $(#[$meta])* $name { $($(#[$field_meta])* $field: $type,)+ } }

        impl From<$from> for $name {
            fn from($source: $from) -> Self {
                Self { $($field: $value,)+ }
            }
        }

        shapes! { $($rest)* }
    };
    (
        $(#[$meta:meta])*
        pub struct $name:ident try_from $source:tt: $from:ty {
            $($(#[$field_meta:meta])* $field:ident: $type:ty = $value:expr,)+
        }
        $($rest:tt)*
    ) => {
        shapes! { @struct $(#[$meta])* $name { $($(#[$field_meta])* $field: $type,)+ } }

        impl TryFrom<$from> for $name {
            type Error = tally_engine::AmountError;

            fn try_from($source: $from) -> Result<Self, Self::Error> {
                Ok(Self { $($field: $value,)+ })
            }
        }

        shapes! { $($rest)* }
    };
    (
        $(#[$meta:meta])*
        pub struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)+ }
        $($rest:tt)*
    ) => {
        shapes! { @struct $(#[$meta])* $name { $($(#[$field_meta])* $field: $type,)+ } }
        shapes! { $($rest)* }
    };
}

/// What `convert` makes of each item of a list.
pub(crate) fn list<T, U>(items: impl IntoIterator<Item = T>, convert: impl FnMut(T) -> U) -> Vec<U> {
    items.into_iter().map(convert).collect()
}

/// How many entries something in memory has.
pub(crate) fn count(entries: usize) -> u64 {
    u64::try_from(entries).expect("no more entries fit into memory than 64 bits can count")
}
