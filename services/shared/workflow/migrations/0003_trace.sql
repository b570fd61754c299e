-- The request that an execution was accepted in, as a W3C traceparent. Only adds: programs of before leave it empty.
alter table execution add column trace_parent text;
