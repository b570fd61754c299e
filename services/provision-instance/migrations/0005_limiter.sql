-- How much of EC2's patience is left, per account, region and family of calls: shared by every replica.
-- The arithmetic is the program's (src/limiter/bucket.rs); a row is read and written under its lock.
create table ec2_bucket (
    account text not null,
    region text not null,
    family text not null,
    -- Calls and machines that may be asked for now; less than nothing after a call larger than the bucket.
    requests double precision not null,
    resources double precision not null,
    -- The part of the normal refill that is used since AWS throttled all the same, and when that was last.
    factor double precision not null,
    slowed_at timestamptz,
    -- The instant that the levels are of, by the database's clock.
    filled_at timestamptz not null,
    -- Until when pools stand back, because a user waits.
    users_until timestamptz,
    primary key (account, region, family)
);
