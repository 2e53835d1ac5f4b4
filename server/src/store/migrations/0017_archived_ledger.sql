-- Entries of the ledger move into files like the rest of the history; what they come to, for every breakdown of a day, stays.

create table ledger_archived (
  archive_id     uuid not null references archives on delete cascade,
  day            date not null,
  scopes         text[] not null,
  provider       text,
  model          text,
  workflow_type  text,
  content_type   text,
  source         text not null,
  actor          text not null,
  calls          int not null,
  reserved       bigint not null,
  settled        bigint not null,
  released       bigint not null,
  assumed        bigint not null,
  input_tokens   bigint not null,
  output_tokens  bigint not null
);
comment on table ledger_archived is 'Sums of the entries that an archive holds. They count while its state is ''archived'': rows that were restored count themselves';
create index on ledger_archived (day);
create index on ledger_archived (archive_id);
