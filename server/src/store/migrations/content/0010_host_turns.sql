-- Turns at other people's hosts: one request at a time, with a pause behind it, whichever replica asks.

create table content.host_turns (
  host     text primary key check (length(host) between 1 and 300),
  free_at  timestamptz not null
) with (fillfactor = 70);
comment on table content.host_turns is 'When each host may be asked next: a turn reserves it for a minute, its end for a pause; forgotten after an hour';
create index on content.host_turns (free_at);
