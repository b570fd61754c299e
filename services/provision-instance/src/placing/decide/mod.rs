//! Every decision of placing, pure: plain data in, plain data out, the time passed in. `placing` around it does the
//! reading, asking and writing, and decides nothing by itself.

mod answer;
mod course;
mod memory;
mod offering;
mod queue;
mod ripe;
mod share;
mod take_back;

pub(crate) use answer::{Found, Verdict, found, verdict};
pub(crate) use course::{Course, Pending, course, in_doubt_since, is_overdue};
pub(crate) use memory::{Choice, Remembered, next, remember};
pub(crate) use offering::{Offering, Refusal, RefusalKind, got, in_order, offerings, told};
pub(crate) use queue::{Ahead, in_words, is_worth_telling, place, place_in_batch};
pub(crate) use ripe::{Group, MOST, Rank, Ripeness, forming_order, least, ripeness, turn};
pub(crate) use share::{Member, Shares, share_out};
pub(crate) use take_back::{Ended, PlacementState, TakeBack, after_terminate, take_back};
