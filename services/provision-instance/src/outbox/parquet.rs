//! Events as Parquet: one row group, zstd, the columns of [`InstanceEvent`] in its order.

use std::sync::Arc;

use bytes::Bytes;
use cloudapp_contract::event::InstanceEvent;
use cloudapp_domain::{FailureCode, Market, PricePerHour};
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

const SCHEMA: &str = "message instance_event {
    required binary event_id (UTF8);
    required binary kind (UTF8);
    required int64 at (TIMESTAMP(MILLIS,true));
    required binary instance_id (UTF8);
    optional binary execution_id (UTF8);
    required binary owner (UTF8);
    required binary configuration_id (UTF8);
    required binary configuration_name (UTF8);
    required int32 configuration_version;
    optional binary instance_type (UTF8);
    optional binary zone (UTF8);
    optional binary market (UTF8);
    required binary state (UTF8);
    optional binary outcome (UTF8);
    optional binary reason (UTF8);
    optional binary actor (UTF8);
    optional int64 price_micros_per_hour;
    optional int64 launch_ms;
    optional int64 boot_ms;
    optional int64 ready_ms;
    optional int64 running_seconds;
}";

type RowGroup<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

/// One object with these events. The same events always give the same bytes.
pub(super) fn encode(events: &[InstanceEvent]) -> Result<Bytes, ParquetError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_created_by("cloudapp".to_owned())
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    text(&mut group, events, |e| e.event_id.to_string())?;
    text(&mut group, events, |e| e.kind.as_str().to_owned())?;
    required::<Int64Type>(&mut group, &events.iter().map(|e| e.at.timestamp_millis()).collect::<Vec<_>>())?;
    text(&mut group, events, |e| e.instance_id.to_string())?;
    optional_text(&mut group, events, |e| e.execution_id.map(|id| id.to_string()))?;
    text(&mut group, events, |e| e.owner.to_string())?;
    text(&mut group, events, |e| e.configuration_id.to_string())?;
    text(&mut group, events, |e| e.configuration_name.clone())?;
    required::<Int32Type>(&mut group, &events.iter().map(|e| e.configuration_version).collect::<Vec<_>>())?;
    optional_text(&mut group, events, |e| e.instance_type.clone())?;
    optional_text(&mut group, events, |e| e.zone.clone())?;
    optional_text(&mut group, events, |e| e.market.map(Market::as_str).map(str::to_owned))?;
    text(&mut group, events, |e| e.state.as_str().to_owned())?;
    optional_text(&mut group, events, |e| e.outcome.map(FailureCode::as_str).map(str::to_owned))?;
    optional_text(&mut group, events, |e| e.reason.clone())?;
    optional_text(&mut group, events, |e| e.actor.as_ref().map(ToString::to_string))?;
    optional_number(&mut group, events, |e| e.price_per_hour.map(PricePerHour::micros))?;
    optional_number(&mut group, events, |e| e.launch_ms)?;
    optional_number(&mut group, events, |e| e.boot_ms)?;
    optional_number(&mut group, events, |e| e.ready_ms)?;
    optional_number(&mut group, events, |e| e.running_seconds)?;
    group.close()?;
    writer.into_inner().map(Bytes::from)
}

fn text(
    group: &mut RowGroup<'_>,
    events: &[InstanceEvent],
    value: impl Fn(&InstanceEvent) -> String,
) -> Result<(), ParquetError> {
    required::<ByteArrayType>(group, &events.iter().map(|event| bytes(value(event))).collect::<Vec<_>>())
}

fn optional_text(
    group: &mut RowGroup<'_>,
    events: &[InstanceEvent],
    value: impl Fn(&InstanceEvent) -> Option<String>,
) -> Result<(), ParquetError> {
    optional::<ByteArrayType>(group, events.iter().map(|event| value(event).map(bytes)).collect())
}

fn optional_number(
    group: &mut RowGroup<'_>,
    events: &[InstanceEvent],
    value: impl Fn(&InstanceEvent) -> Option<i64>,
) -> Result<(), ParquetError> {
    optional::<Int64Type>(group, events.iter().map(value).collect())
}

fn bytes(text: String) -> ByteArray {
    ByteArray::from(text.into_bytes())
}

fn required<T: DataType>(group: &mut RowGroup<'_>, values: &[T::T]) -> Result<(), ParquetError> {
    write::<T>(group, values, None)
}

fn optional<T: DataType>(group: &mut RowGroup<'_>, values: Vec<Option<T::T>>) -> Result<(), ParquetError> {
    let present: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = values.into_iter().flatten().collect();
    write::<T>(group, &values, Some(&present))
}

fn write<T: DataType>(
    group: &mut RowGroup<'_>,
    values: &[T::T],
    present: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("the schema has fewer columns than the event".to_owned()));
    };
    column.typed::<T>().write_batch(values, present, None)?;
    column.close()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use cloudapp_contract::event::EventKind;
    use cloudapp_domain::{ConfigurationId, EventId, InstanceId, InstanceState, SystemClock};
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::RowAccessor as _;

    use super::*;

    fn event(running_seconds: Option<i64>) -> InstanceEvent {
        InstanceEvent {
            event_id: EventId::new(&SystemClock),
            kind: EventKind::Ended,
            at: DateTime::from_timestamp_millis(1_800_000_000_123).unwrap(),
            instance_id: InstanceId::new(&SystemClock),
            execution_id: None,
            owner: "somebody".parse().unwrap(),
            configuration_id: ConfigurationId::new(&SystemClock),
            configuration_name: "Docker host".to_owned(),
            configuration_version: 3,
            instance_type: Some("t3.micro".to_owned()),
            zone: None,
            market: Some(Market::Spot),
            state: InstanceState::Terminated,
            outcome: None,
            reason: Some("its lifetime ended".to_owned()),
            actor: None,
            price_per_hour: Some(PricePerHour::from_micros(10_400)),
            launch_ms: None,
            boot_ms: None,
            ready_ms: None,
            running_seconds,
        }
    }

    #[test]
    fn events_can_be_read_back_and_the_same_events_give_the_same_bytes() {
        let events = vec![event(Some(3600)), event(None)];
        let encoded = encode(&events).unwrap();
        assert_eq!(encoded, encode(&events).unwrap());
        let reader = SerializedFileReader::new(encoded).unwrap();
        let names: Vec<_> = reader
            .metadata()
            .file_metadata()
            .schema()
            .get_fields()
            .iter()
            .map(|f| f.name().to_owned())
            .collect();
        assert_eq!(names.len(), 21);
        assert_eq!(names[16], "price_micros_per_hour");
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].get_string(0).unwrap(), &events[0].event_id.to_string());
        assert_eq!(rows[0].get_timestamp_millis(2).unwrap(), 1_800_000_000_123);
        assert_eq!(rows[0].get_int(8).unwrap(), 3);
        assert_eq!(rows[0].get_string(11).unwrap(), "spot");
        assert_eq!(rows[0].get_long(20).unwrap(), 3600);
        assert!(rows[1].get_long(20).is_err(), "null");
    }
}
