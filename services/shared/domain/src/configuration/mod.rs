//! A configuration: what an admin defines and a user gets.
//!
//! [`ConfigurationDraft`] is what a form or an API client sends; [`ConfigurationDraft::validate`] turns it into
//! a [`ConfigurationSpec`], the only thing that may be stored as a version or launched. What EC2 would refuse
//! later is refused here, with the field named.

mod draft;
mod field;
mod price;
mod schedule;
mod spec;
mod stops;
mod warm_pool;

pub use draft::ConfigurationDraft;
pub use field::{FieldError, FieldErrors};
pub use price::{PRICES_AS_OF, on_demand_price};
pub use schedule::{InvalidSchedule, WeeklySchedule, WeeklyTime};
pub use spec::{
    ConfigurationSpec, ConfigurationState, FileSpec, ImageSource, InstanceType, LoginUser, MarketChoice,
};
pub use warm_pool::{SpareKind, WarmPool};
