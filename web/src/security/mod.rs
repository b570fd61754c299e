//! What keeps pages and forms safe, apart from the session.

pub(crate) mod csrf;
pub(crate) mod headers;
mod local_path;

pub(crate) use local_path::LocalPath;
