/** Words, phrases and subjects that training prompts are made of: our own, none taken from a benchmark. */

/** Letters that may be asked for rarely: no word or phrase that a response must have holds one. */
export const RARE_LETTERS = ["q", "x", "z", "j"] as const;
export const COMMON_LETTERS = ["e", "t", "a", "o", "i", "n", "s", "r", "h"] as const;

/** Words that responses shall have, or shall not have. */
// deno-fmt-ignore
export const WORDS = [
  "river", "market", "lantern", "bridge", "teacher", "mountain", "kitchen", "harbor", "window", "forest", "silver",
  "planet", "candle", "thunder", "village", "pencil", "summer", "captain", "mirror", "basket", "engine", "feather",
  "blanket", "shadow", "painter", "sailor", "honey", "meadow", "tunnel", "compass", "ladder", "ribbon", "whistle",
  "pebble", "curtain", "saddle", "barrel", "cottage", "puddle", "anchor", "copper", "velvet", "marble", "acorn",
] as const;

export const END_PHRASES = [
  "That is all for today.",
  "Now it is your turn.",
  "Write back soon.",
  "Which part did you like best?",
  "There is more to come.",
  "Thank you for reading this far.",
  "And so the day ended.",
  "Tell me what you think of it.",
] as const;

/** Languages that are asked for, by the codes of IFEval's checker. */
export const LANGUAGES = {
  de: "German",
  fr: "French",
  es: "Spanish",
  it: "Italian",
  pt: "Portuguese",
  ru: "Russian",
  hi: "Hindi",
  ar: "Arabic",
  ko: "Korean",
  vi: "Vietnamese",
} as const;

export const PERSONS = [
  "a neighbor",
  "an old friend",
  "a ten-year-old",
  "a new colleague",
  "a night nurse",
  "a retired baker",
  "a bus driver",
  "a shy student",
  "a town council",
  "a farmer's daughter",
  "a visitor from abroad",
  "a choir",
  "an impatient customer",
  "a museum guide",
  "a lighthouse keeper",
  "a football coach",
  "a young gardener",
  "a librarian",
  "a violin teacher",
  "a hotel guest",
] as const;

export const SUBJECTS = [
  "the first snow of the year",
  "a lost umbrella",
  "bread that is baked at home",
  "a night train",
  "learning to swim late in life",
  "a broken elevator",
  "the smell of rain",
  "growing tomatoes on a balcony",
  "a town without cars",
  "an old radio",
  "walking instead of driving",
  "a cat that opens doors",
  "the noise of a city at dawn",
  "repairing a bicycle",
  "a class trip to the sea",
  "long lines at the counter",
  "a holiday without a phone",
  "mending clothes",
  "the moon",
  "a letter that arrives late",
  "cooking for many guests",
  "sharing a garden",
  "a power cut",
  "bees in the city",
  "an empty theater",
  "getting up early",
  "a birthday at work",
  "a storm at the coast",
  "moving to a smaller flat",
  "an unusual pet",
  "collecting stamps",
  "a ferry to a small island",
  "second-hand books",
  "a school play",
  "the last day of summer camp",
  "learning the names of birds",
  "a tea house in the hills",
  "winter tires",
  "a street musician",
  "a recipe from a grandmother",
  "public libraries",
  "a walk in the fog",
  "working at night",
  "a broken promise",
  "an evening of board games",
  "saving water",
  "a map without names",
  "the oldest tree in town",
  "a wedding in the rain",
  "a robot that waters plants",
] as const;

/** Tasks; `{subject}` and `{person}` are filled in, `{other}` with a second person. */
export const TASKS = [
  "Write a short letter to {person} about {subject}.",
  "Tell a story for children about {subject}.",
  "Write a poem about {subject}.",
  "Describe {subject} to {person}.",
  "Write a speech of thanks that mentions {subject}.",
  "Give {person} some advice about {subject}.",
  "Write a diary entry about {subject}.",
  "What should {person} know about {subject}?",
  "Make up an interview with {person} about {subject}.",
  "Write the text of a song about {subject}.",
  "What are the good and the bad sides of {subject}?",
  "Invite {person} to an evening about {subject}.",
  "Draft an article for a local newspaper about {subject}.",
  "Why do some people care so much about {subject}?",
  "Write a review of a film about {subject}.",
  "Plan a week that has to do with {subject}.",
  "Write a talk between {person} and {other} about {subject}.",
  "Come up with a riddle about {subject}.",
  "Tell {person} what is special about {subject}.",
  "Write an advertisement that makes use of {subject}.",
] as const;

/** Tasks that are answered by yes, no or maybe. */
export const QUESTIONS = [
  "Would {person} like to talk about {subject}?",
  "Is {subject} a good subject for a first lesson?",
  "Does {subject} belong in a story for children?",
  "Could {person} teach us something about {subject}?",
  "Should a town do more about {subject}?",
] as const;
