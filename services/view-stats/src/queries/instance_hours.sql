-- Hours by configuration of machines that stopped or ended in the range, and their cost at list price. An event
-- tells the seconds since the machine last became usable. Parameters as in launches.sql.
with copies as (
    select
        "at",
        instance_id,
        configuration_id,
        configuration_name,
        running_seconds,
        price_micros_per_hour,
        row_number() over (partition by event_id order by dt, tier) as copy
    from instance_events
    where tier in ('live', 'daily')
        and dt between cast(? as date) and cast(? as date)
        and "at" >= cast(? as timestamp)
        and "at" < cast(? as timestamp)
        and kind in ('stopped', 'ended')
        and running_seconds > 0
)

select
    configuration_id,
    max_by(configuration_name, "at") as configuration_name,
    count(distinct instance_id) as instances,
    cast(sum(running_seconds) as double) / 3600 as hours,
    coalesce(sum(cast(running_seconds as double) * price_micros_per_hour), 0) / 3600 / 1000000 as cost_usd
from copies
where copy = 1
group by configuration_id
order by hours desc, configuration_id
