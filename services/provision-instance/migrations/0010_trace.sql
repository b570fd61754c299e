-- What a message belongs to, as a W3C traceparent: it travels with it. Only adds.
alter table outbox add column trace_parent text;
