/** Owns the English words that carry no topic, and the verbs that make no heading. Data only. */

const FUNCTION_WORDS = `a about above across after again against all almost alone along already also although always am
among amongst an and another any anybody anyone anything anyway are aren't around as at away back be became because
become becomes been before behind being below beneath beside besides best better between beyond both but by came can
can't cannot come comes could couldn't despite did didn't do does doesn't doing don't done down due during each either
else enough especially even ever every everyone everything except far few fewer first following for former from
further furthermore gave get gets getting give given gives go goes going gone got had hadn't has hasn't have haven't
having he hence her here hers herself him himself his how however i if in indeed inside instead into is isn't it
it's its itself just keep keeps kept last later latter least less let like likely little made mainly make makes making
many may maybe me meanwhile merely might mine more moreover most mostly much must my myself near nearly need needs
neither never nevertheless next no nobody none nor not nothing now nowhere of off often on once one ones only onto or
other others otherwise our ours ourselves out outside over own per perhaps possible quite rather really said same saw
say says second see seem seemed seems seen several shall she should shouldn't since so some somehow someone something
sometimes somewhat soon still such take taken takes than that that's the their theirs them themselves then there
therefore these they third this those though three through throughout thus till to today together too took toward towards
two under unless unlike until up upon us use used useful uses using usually various very via was wasn't way ways we well were weren't what
whatever when whenever where whereas wherever whether which while who whoever whole whom whose why will with within
without won't would wouldn't yes yet you your yours yourself`;

const PLAIN_VERBS = `accept achieve act add affect agree aim allow appear apply approach arrive ask avoid bear begin
believe blow break bring build buy call carry cause change check choose claim close compare concern connect consider consist
contain continue contribute control convert cost cover create cut deal decide decrease define deliver depend describe
design detect determine develop die differ discover discuss draw drive drop eat enable end ensure enter establish
estimate exist expand expect explain extend finish face fail fall feed feel fill find fit fix focus follow force form gain
generate grow handle happen heat help hit hold improve include increase indicate introduce involve join know launch
lay lead learn leave lie lift limit live lock look lose lower maintain manage mean measure meet melt mention move name
note notice obtain occur offer open operate pass pay perform predict place plan play point prefer prepare present prevent
produce prove provide publish pull push put raise range reach read receive recognize recommend record reduce refer
reflect release rely remain remove replace report represent require rest result return reveal rise roll run save seek
sell send serve set show shrink sit slow solve sound spend spread stand start stay stop store study suffer suggest
supply support surround switch talk tell tend think throw travel treat try turn understand vary visit wait walk want
warm wash watch wear weigh work write`;

const words = (text: string): string[] => text.split(/\s+/);

/** These stand in headings as nouns at least as often as they are verbs. */
const NOUN_LIKE: ReadonlySet<string> = new Set(
  words(`act aim approach call cause change charge claim concern contact control cost cover cut deal design drive
drop end face fall feed fill fit focus force form gain heat hold influence lead limit link look loss measure name notice
place plan play point present range reach record release report rest result return rise roll run sound spread stand
start stay stop store study supply support surround switch talk travel treat turn visit walk wash watch work`),
);

const IRREGULAR: Readonly<Record<string, string[]>> = {
  bear: ["bore", "borne"],
  begin: ["began", "begun"],
  bring: ["brought"],
  build: ["built"],
  buy: ["bought"],
  blow: ["blew", "blown"],
  break: ["broke", "broken"],
  choose: ["chose", "chosen"],
  deal: ["dealt"],
  draw: ["drew", "drawn"],
  drive: ["drove", "driven"],
  eat: ["ate", "eaten"],
  fall: ["fell", "fallen"],
  feed: ["fed"],
  feel: ["felt"],
  find: ["found"],
  grow: ["grew", "grown"],
  hold: ["held"],
  know: ["knew", "known"],
  lay: ["laid"],
  lead: ["led"],
  leave: ["left"],
  lose: ["lost"],
  mean: ["meant"],
  meet: ["met"],
  pay: ["paid"],
  prove: ["proved", "proven"],
  rise: ["rose", "risen"],
  run: ["ran"],
  seek: ["sought"],
  sell: ["sold"],
  send: ["sent"],
  shrink: ["shrank", "shrunk"],
  sit: ["sat"],
  spend: ["spent"],
  stand: ["stood"],
  tell: ["told"],
  think: ["thought"],
  throw: ["threw", "thrown"],
  understand: ["understood"],
  wear: ["wore", "worn"],
  write: ["wrote", "written"],
};

const STOP_WORDS: ReadonlySet<string> = new Set(words(FUNCTION_WORDS));
const VERB_FORMS: ReadonlySet<string> = new Set(words(PLAIN_VERBS).flatMap(formsOf));

/** Whether a word, in lower case, says nothing about a topic. */
export function isStopWord(word: string): boolean {
  return STOP_WORDS.has(word);
}

/** Whether a word, in lower case, is likely a verb and so no part of a heading. */
export function isPlainVerb(word: string): boolean {
  return VERB_FORMS.has(word);
}

/** Words in -ing are left alone: `heating` and `building` make good headings. */
function formsOf(verb: string): string[] {
  const stem = verb.endsWith("e") ? verb.slice(0, -1) : verb;
  const past = IRREGULAR[verb] ?? [`${stem}ed`];
  return NOUN_LIKE.has(verb) ? past : [...past, verb, `${verb}s`];
}
