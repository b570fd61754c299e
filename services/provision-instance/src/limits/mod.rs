//! How many machines people may have.
//!
//! Three kinds of limits, from the most particular to the most general:
//!
//! 1. A **user's own** limit, set by an admin for one person: it replaces everything said about single users below.
//! 2. A **group's limit per member**: of several groups the most generous counts. It replaces the default, also where
//!    it is lower: a class of beginners may get one machine each.
//! 3. The operator's **default** (`CLOUDAPP_INSTANCES_PER_USER`), for whoever has neither.
//!
//! Beside these, a group may have a limit for all its members **together**: every such limit of every group of the
//! caller must hold. A machine counts for the groups that its owner was in when it was asked for: groups come with
//! tokens, and nobody's groups are known otherwise.
//!
//! [`Standing`] decides, on plain data. It is exact because it is read and written down under locks: each owner's (as
//! every write of an owner), then, in the order of their names, those of the groups that have a limit together. Nobody
//! holds a group's lock and waits for an owner's.

mod admin;
mod mine;
mod standing;
mod store;

pub(crate) use admin::{all, put_group, put_user, remove_group, remove_user};
pub(crate) use mine::mine;
pub(crate) use standing::{Exceeded, GroupRule, Share, Standing};
pub(crate) use store::standing;
