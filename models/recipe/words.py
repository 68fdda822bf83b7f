"""Word lists of the two task families. Order matters: seeds index into these lists."""

NOUNS = """dog cat horse bird fish lion tiger bear mouse rabbit farmer teacher doctor singer painter baker
sailor king queen robot car boat train plane house garden tree flower apple lemon guitar piano book letter
lamp clock hat shoe river mountain cloud star moon storm castle bridge""".split()

ADJECTIVES = """happy sad old young red blue green small big quiet loud brave clever lazy kind proud strange
lonely hungry sleepy bright dark cold warm""".split()

# (phrase as it stands in the prompt and in the answer, its content word)
PLACES = [("in the park", "park"), ("at the lake", "lake"), ("on the hill", "hill"), ("in the city", "city"),
          ("near the sea", "sea"), ("by the road", "road"), ("in the forest", "forest"), ("at the school", "school"),
          ("on the farm", "farm"), ("in the snow", "snow"), ("at the market", "market"),
          ("in the kitchen", "kitchen"), ("on the island", "island"), ("in the desert", "desert"),
          ("at the station", "station"), ("in the museum", "museum")]

# Topic clauses that talk about the same things as the instructions do: honest distractors.
CLAUSES = ["who counts to 2", "who counts to 3", "who counts to 4", "who counts to 5", "who loves commas",
           "who hates commas", "who reads titles", "who writes letters", "who shouts all day", "who whispers all day",
           "who repeats every word", "who asks for quotes", "who keeps lists", "who ends every story",
           "who likes capital cities", "who likes lower prices"]

KEYWORDS = """window paper music winter summer coffee bread butter silver golden table chair door wall floor
street village ocean beach sand stone metal glass wood fire water rain wind sun night morning evening
dream smile dance voice story picture color number secret gift party dinner lunch sugar salt pepper
engine wheel ticket travel journey market forest river people family brother sister mother father friend
money price shop school lesson pencil""".split()

NAMES = [("Tom", "He"), ("Anna", "She"), ("Ben", "He"), ("Maria", "She"), ("Sam", "He"), ("Lucy", "She"),
         ("Max", "He"), ("Emma", "She"), ("Leo", "He"), ("Nina", "She"), ("Paul", "He"), ("Rosa", "She")]

ITEMS = """apples pears books coins cards pens shells stamps marbles stickers cookies oranges""".split()
