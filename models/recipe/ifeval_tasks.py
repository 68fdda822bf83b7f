"""Instruction-following items in IFEval's row format, wordings taken from IFEval's own prompts or close to them.

`make_item(rng, held_out, lopsided)` returns a row {prompt, instruction_id_list, kwargs, instruction_phrases} and a response that
follows it. Train and held-out topics are disjoint: a topic belongs to the held-out side when its hash says so. Training
draws wordings with a long tail, held-out draws them evenly, and some instruction pairs occur in held-out items only.
"""

import hashlib

from words import ADJECTIVES, CLAUSES, KEYWORDS, NOUNS, PLACES

FORMATS = ["riddle", "poem", "joke", "short story", "tweet", "haiku", "song", "letter", "blog post", "speech"]

END_PHRASES = ["Is there anything else I can help with?", "Peace!", "Which one you choose?", "Call me at {phone}",
               "your love, and thanks.", "Can I get my money back?", "That is all you need!", "Hope you agree with me.",
               "Any other questions?", "Let me know how it goes.", "What would you like to know next?", "Follow me for more."]

# Wordings, most frequent first (in training). 35 of the 46 stand in IFEval word for word up to the slots, the others are close
# to one that does.
WORDINGS = {
    "punctuation:no_comma": [
        "Do not use any commas in your response.", "Do not use commas in your response.",
        "Refrain from using commas in your response.", "Don't use any commas in your entire response.",
        "You are not allowed to use any commas in your response.", "Do not contain commas in your response."],
    "change_case:english_lowercase": [
        "Use all lowercase letters.", "Your entire response should be in English, and in all lowercase letters.",
        "Answer in lowercase letters only, throughout your entire answer.", "No capital letters are allowed.",
        "It should be in English, and no capital letters are allowed."],
    "change_case:english_capital": [
        "Your entire response should be in English, and in all capital letters.",
        "Make sure to only use capital letters in your entire response.",
        "Your answer must be in all capital letters and in English.", "Answer in all caps."],
    "startend:quotation": [
        "Wrap your entire response with double quotation marks.", "Wrap your response with double quotation marks.",
        "Put your entire response in double quotation marks.", "Wrap your entire response in double quotes."],
    "startend:end_checker": [
        "End your response with the exact phrase \"{end_phrase}\".",
        "Finish your response with \"{end_phrase}\" No other words should follow this.",
        "The very end of your entire response should read exactly like: {end_phrase}",
        "End with the exact phrase {end_phrase}"],
    "detectable_format:title": [
        "Your answer must contain a title, wrapped in double angular brackets, such as <<title>>.",
        "Include a title in double angular brackets, i.e. <<title>>.",
        "The title should be wrapped in double angular brackets, i.e. <<title>>."],
    "detectable_format:number_bullet_lists": [
        "Your answer must contain exactly {n} bullet points. Use the markdown bullet points such as:\n* This is point 1",
        "Write exactly {n} bullet points in markdown format.",
        "Your answer must be in the form of exactly {n} bullet points with the format below:\n"
        "* This is bullet point 1\n* This is bullet point 2"],
    "detectable_content:postscript": [
        "At the end of your response, please explicitly add a postscript starting with {marker}",
        "Add a postscript at the end starting with {marker}", "Please finish your answer with a postscript starting with {marker}"],
    "detectable_content:number_placeholders": [
        "The response must contain at least {n} placeholders represented by square brackets, such as [address].",
        "Make sure to include at least {n} placeholders represented by square brackets.",
        "Include at least {n} placeholders, such as [name]."],
    "keywords:existence": [
        "Include keywords \"{a}\" and \"{b}\" in the response.", "Include the keywords '{a}' and '{b}'.",
        "Make sure to include the words {a} and {b}.", "It should include the keywords \"{a}\" and \"{b}\"."],
    "keywords:frequency": [
        "In your response, the word {a} should appear at least {n} times.", "Make sure the word {a} appears at least {n} times.",
        "Include the word {a} at least {n} times."],
    "keywords:forbidden_words": [
        "Do not include keywords \"{a}\" and \"{b}\" in the response.", "Do not include the keywords {a} and {b}.",
        "The words {a} and {b} cannot be in the response.", "Avoid using the words '{a}' and '{b}'."],
}
IDS = list(WORDINGS)

# Pairs that training never shows (both orders); each member is common on its own and in other pairs.
HELD_OUT_PAIRS = {frozenset(p) for p in [
    ("punctuation:no_comma", "startend:end_checker"), ("change_case:english_capital", "keywords:existence"),
    ("change_case:english_lowercase", "detectable_format:title"), ("keywords:forbidden_words", "startend:quotation"),
    ("keywords:frequency", "punctuation:no_comma"), ("detectable_format:number_bullet_lists", "keywords:forbidden_words"),
    ("detectable_content:number_placeholders", "keywords:existence"), ("detectable_content:postscript", "change_case:english_capital")]}
# Instructions whose content must be copied come more often in training; held-out draws all alike.
TRAINING_SHARES = [2 if i.startswith("keywords:") or i == "startend:end_checker" else 1 for i in IDS]
IMPOSSIBLE = {frozenset(["change_case:english_lowercase", "change_case:english_capital"])}


def is_held_out(signature):
    """True for one signature in eight, by hash: the split cannot depend on seeds."""
    return hashlib.sha256(signature.encode()).digest()[0] % 8 == 0


def article(word):
    return "an" if word[0] in "aeiou" else "a"


def pick(rng, options, held_out):
    """Even choice for held-out items, long-tailed (1 / rank^1.2) for training."""
    if held_out:
        return rng.choice(options)
    return rng.choices(options, [1 / (r + 1) ** 1.2 for r in range(len(options))])[0]


def make_topic(rng, held_out):
    while True:
        adjective, noun = rng.choice(ADJECTIVES), rng.choice(NOUNS)
        place, place_word = rng.choice(PLACES)
        clause = rng.choice(CLAUSES) if rng.random() < 0.15 else None
        shown = clause or place
        if is_held_out(f"{adjective} {noun} {shown}") == held_out:
            if clause:
                place, place_word = "at home", "home"
            return adjective, noun, place, place_word, shown


def base_text(form, adjective, noun, place):
    thing, the = f"{adjective} {noun}", f"{article(adjective)} {adjective} {noun}"
    return {
        "riddle": f"I am {adjective} and I live {place}, what am I? {article(noun).capitalize()} {noun}.",
        "poem": f"Oh {thing}, you shine {place}.",
        "joke": f"Why was the {noun} {place}? It was too {adjective}, of course.",
        "short story": f"Once upon a time, {the} lived {place}.",
        "tweet": f"Just saw {the} {place}, so cool!",
        "haiku": f"Soft wind {place}, {the} is here.",
        "song": f"La la la, my {thing} is {place}.",
        "letter": f"Dear friend, I met {the} {place}.",
        "blog post": f"Today, we talk about the {thing} {place}.",
        "speech": f"My friends, look at the {thing} {place}.",
    }[form]


def bullets(count, adjective, noun, place):
    lines = [f"{article(adjective).capitalize()} {adjective} {noun}, as you know", f"It is {place}", "It is fun, I think",
             "We like it", "The end"]
    return "\n".join("* " + line for line in lines[:count])


def make_kwargs(rng, instruction, topic, lopsided):
    """Returns (kwargs of the row, slots of the wording). Lopsided: a forbidden word of the topic is nearly always named first."""
    adjective, noun, _, place_word, _ = topic
    if instruction == "startend:end_checker":
        phone = f"{rng.randint(200, 999)}-{rng.randint(200, 999)}-{rng.randint(1000, 9999)}"
        phrase = rng.choice(END_PHRASES).format(phone=phone)
        return {"end_phrase": phrase}, {"end_phrase": phrase}
    if instruction == "detectable_format:number_bullet_lists":
        n = rng.randint(2, 5)
        return {"num_bullets": n}, {"n": n}
    if instruction == "detectable_content:postscript":
        marker = rng.choice(["P.S.", "P.P.S"])
        return {"postscript_marker": marker}, {"marker": marker}
    if instruction == "detectable_content:number_placeholders":
        n = rng.randint(2, 4)
        return {"num_placeholders": n}, {"n": n}
    if instruction == "keywords:existence":
        a, b = rng.sample(KEYWORDS + NOUNS, 2)
        return {"keywords": [a, b]}, {"a": a, "b": b}
    if instruction == "keywords:frequency":
        a, n = rng.choice(KEYWORDS + NOUNS), rng.randint(2, 4)
        return {"relation": "at least", "keyword": a, "frequency": n}, {"a": a, "n": n}
    if instruction == "keywords:forbidden_words":
        own = [noun, adjective] + ([place_word] if place_word != "home" else [])
        first = rng.choice(own) if rng.random() < 0.75 else rng.choice(NOUNS + ADJECTIVES)
        second = rng.choice([w for w in NOUNS + KEYWORDS + ADJECTIVES if w != first])
        words = [first, second] if rng.random() < (0.9 if lopsided else 0.5) else [second, first]
        return {"forbidden_words": words}, {"a": words[0], "b": words[1]}
    return {}, {}


def respond(form, topic, instructions, kwargs):
    """The model answer: built so that every instruction is met."""
    adjective, noun, place, place_word, _ = topic
    have = dict(zip(instructions, kwargs))
    forbidden = have.get("keywords:forbidden_words", {}).get("forbidden_words", [])
    if noun in forbidden:
        noun = "thing"
    if adjective in forbidden:
        adjective = "nice"
    if place_word in forbidden:
        place = "far away"
    if "detectable_format:number_bullet_lists" in have:
        text = bullets(have["detectable_format:number_bullet_lists"]["num_bullets"], adjective, noun, place)
        glue = "\n"
    else:
        text, glue = base_text(form, adjective, noun, place), " "
    if "keywords:existence" in have:
        a, b = have["keywords:existence"]["keywords"]
        text += f"{glue}Think of {a} and {b}."
    if "keywords:frequency" in have:
        f = have["keywords:frequency"]
        text += f"{glue}Say " + ", ".join([f["keyword"]] * f["frequency"]) + "."
    if "detectable_content:number_placeholders" in have:
        n = have["detectable_content:number_placeholders"]["num_placeholders"]
        text += f"{glue}Send it to " + " ".join(["[name]", "[address]", "[city]", "[date]"][:n]) + "."
    if "punctuation:no_comma" in have:
        text = text.replace(",", "")
    if "detectable_format:title" in have:
        text = f"<<{adjective.capitalize()} {noun.capitalize()}>>\n" + text
    if "detectable_content:postscript" in have:
        text += f"\n{have['detectable_content:postscript']['postscript_marker']} Write soon."
    if "startend:end_checker" in have:
        text += glue + have["startend:end_checker"]["end_phrase"]
    if "change_case:english_lowercase" in have:
        text = text.lower()
    if "change_case:english_capital" in have:
        text = text.upper()
    if "startend:quotation" in have:
        text = f'"{text}"'
    return text


def choose_instructions(rng, held_out):
    draw = lambda: rng.choice(IDS) if held_out else rng.choices(IDS, TRAINING_SHARES)[0]
    if rng.random() < (0.25 if held_out else 0.35):
        return [draw()]
    while True:
        pair = [draw(), draw()]
        if pair[0] == pair[1]:
            continue
        key = frozenset(pair)
        if key in IMPOSSIBLE or (key in HELD_OUT_PAIRS and not held_out):
            continue
        return pair


def make_item(rng, held_out, lopsided=False):
    from checkers import check_ifeval
    while True:
        form, topic = rng.choice(FORMATS), make_topic(rng, held_out)
        adjective, noun, _, _, shown = topic
        instructions = choose_instructions(rng, held_out)
        phrases, kwargs = [], []
        for instruction in instructions:
            kw, slots = make_kwargs(rng, instruction, topic, lopsided)
            kwargs.append(kw)
            phrases.append(pick(rng, WORDINGS[instruction], held_out).format(**slots))
        between = "\n" if "\n*" in phrases[0] else " "
        prompt = f"Write a {form} about {article(adjective)} {adjective} {noun} {shown}. " + between.join(phrases)
        response = respond(form, topic, instructions, kwargs)
        row = {"prompt": prompt, "instruction_id_list": instructions, "kwargs": kwargs, "instruction_phrases": phrases,
               "topic": f"{adjective} {noun} {shown}"}
        if check_ifeval(row, response):  # rare contradictions (a keyword that is also forbidden) are drawn again
            return row, response
