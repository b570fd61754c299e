-- What is in the object that is being put; without it each flush reads the whole outbox, twice. Only adds.
create index outbox_export on outbox (export_batch) where export_batch is not null and delivered_at is null;
