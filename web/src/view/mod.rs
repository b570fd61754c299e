//! How things of the domain are said and shown to people. Pure.

pub(crate) mod chart;
mod machine;
mod note;
mod progress;
mod stuck;
mod time;
mod trouble;
mod upcoming;

pub(crate) use machine::{MachineView, Tone, hours_left, state_label, state_tone};
pub(crate) use note::NoteView;
pub(crate) use progress::ProgressView;
pub(crate) use stuck::StuckView;
pub(crate) use time::{duration, moment, relative};
pub(crate) use trouble::{Reader, Remedy, Trouble};
pub(crate) use upcoming::{Upcoming, WayOut, upcoming};

use cloudapp_contract::configuration::Configuration;
use cloudapp_domain::configuration::{ConfigurationState, MarketChoice};
use cloudapp_domain::{Market, PricePerHour};

/// For fields whose messages stand elsewhere.
pub(crate) const NO_MESSAGES: &[String] = &[];

/// `1 hour`, `8 hours`.
pub(crate) fn count(number: impl Into<i64>, one: &str, many: &str) -> String {
    let number: i64 = number.into();
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

/// `12 hours`, `3 days`.
pub(crate) fn hours(hours: &u32) -> String {
    if *hours >= 48 && hours.is_multiple_of(24) {
        count(i64::from(hours / 24), "day", "days")
    } else {
        count(*hours, "hour", "hours")
    }
}

/// `$0.0104 / hour`, or that it is not known.
pub(crate) fn price(price: Option<&PricePerHour>) -> String {
    price.map_or_else(|| "price not known".to_owned(), |price| format!("{price} / hour"))
}

/// How a machine was bought, in words.
pub(crate) const fn market_label(market: &Market) -> &'static str {
    match market {
        Market::OnDemand => "On demand",
        Market::Spot => "Spot",
    }
}

/// Which markets a configuration may use, in words.
pub(crate) const fn market_choice_label(choice: &MarketChoice) -> &'static str {
    match choice {
        MarketChoice::OnDemand => "On demand",
        MarketChoice::Spot => "Spot only",
        MarketChoice::SpotThenOnDemand => "Spot, on demand when there is none",
    }
}

/// A configuration's state, in words, and its colour.
pub(crate) const fn configuration_state(state: &ConfigurationState) -> (&'static str, &'static str) {
    match state {
        ConfigurationState::Draft => ("Draft", "neutral"),
        ConfigurationState::Published => ("Published", "good"),
        ConfigurationState::Retired => ("Retired", "warn"),
    }
}

/// Whether there is a newest version that users do not get yet.
pub(crate) fn can_be_published(configuration: &Configuration) -> bool {
    configuration.state != ConfigurationState::Published
        || configuration.published_version != Some(configuration.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_as_people_say_them() {
        assert_eq!(hours(&1), "1 hour");
        assert_eq!(hours(&24), "24 hours");
        assert_eq!(hours(&72), "3 days");
        assert_eq!(hours(&73), "73 hours");
        assert_eq!(price(Some(&PricePerHour::from_micros(10_400))), "$0.0104 / hour");
        assert_eq!(price(None), "price not known");
    }
}
