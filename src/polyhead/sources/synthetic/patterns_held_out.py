"""The sentence patterns that only validation and test use. The notation stands in ``grammar``."""

PHRASES = {
    "any": {
        "name": "{first} {last}",
        "project": "{thing}",
        "subject": """their {thing} | the {thing} | your {thing} | her {thing}
            his {relative.1}'s {thing} | the {thing} {first} picked | the {=adj} {thing}""",
        "speaker": """{name} | the {person.1} | {name}, {person.1}, | her {relative.2} | an unnamed {person.1}
            {name} of {town} | a retired {person.1}""",
        "cited": """{name} | the {person.1} | {name}, {person.1} | her {relative.2} | an unnamed {person.1}
            {name} of {town} | a retired {person.1}""",
        "remarked": """remarked | insisted | declared | confided to {medium} | replied | recalled
            whispered to the {person.2}""",
        "tail": "~ | ~ | ~ | _on {day} | _in late {month} | _tonight",
        "when": "~ | ~ | _on {day} | _in late {month} | _tonight",
        "asker": """Can you solve it? | Who could I be? | Work out my identity. | Do you know me?
            So which object is it? | Identify me if you can.""",
    },
    "polar": {
        "verdict": """proves/proved {adj}
            strikes/struck everyone as {adj}, even {trait}
            is/was anything but {!adj}
            can/could scarcely be branded {!noun}
            is/was {adj} beneath a {!adj} surface
            is/was {adj.1}, {trait} and {adj.2}
            is/was both {trait} and {adj}
            remains/remained {trait} despite some {!quality}
            avoids/avoided every trace of {!quality}
            lacks/lacked any {!quality}
            seldom {!effect:s}/{!effect:ed} the {person.2}
            converts/converted {!quality} into {quality}
            overflows/overflowed with {quality}
            is/was nowhere near as {!adj} as rumoured
            is/was by no means {!trait}
            {effect:s}/{effect:ed} everyone, {person.2} included
            is/was {adj} through and through
            oozes/oozed {quality}
            proves/proved {noun} to everyone
            ranks/ranked among the most {trait} of all
            proves/proved {trait}
            truly {effect:s}/{effect:ed} the {person.2}
            manages/managed to be both {adj} and {trait}
            performs/performed {adv}
            {flair}/{flair:ed}
            {flair}/{flair:ed}
            {extra}/{extra:ed}
            commences/commenced as {!noun} and becomes/became {noun}
            renders/rendered even a {!mood} {person.2} {mood}""",
        "clue": """all the {group} {attitude} me
            {quality} is what I haul into the {place}
            whoever encounters me at the {place} becomes {mood}
            I can {effect} an entire audience within seconds
            not a single {person} would {!attitude} me
            behind my {!adj} shell there is something {trait}
            my absence renders the {person} in {town} {!mood}
            the {person} and the {animal} find me {adj}
            I transform a {!trait} {day} into a {trait} one
            rumour has it that I {effect} the {person}
            I am a {trait} companion to the {person} with the {kind} {item}""",
    },
    "neutral": {
        "verdict": """{fact}/{fact:ed}
            {fact}/{fact:ed}
            {fact}/{fact:ed}
            remains/remained at the {place} until {clock}
            is/was catalogued as {noun}
            is/was neither {-trait} nor {+trait}, merely {=trait}
            is/was reserved for the {relative.2}, not the {person.2}
            {extra}/{extra:ed}
            is/was {trait} despite its {=quality}
            appears/appeared {trait} to the {person.2}
            is/was pictured beside the {kind} {item}
            usually concludes/concluded around {clock}
            is/was nowhere near the {place}""",
        "clue": """the {person} {attitude:s} me every {day}
            my body is {kind.1} while my tail is {kind.2}
            one finds me between the {item} and the {place}
            I have {count} elbows although I see nothing
            I devour a {item} but not a {animal}
            I wander to {town} while lying in the {place}
            not a single {animal} {attitude:s} me
            I lie under the {kind} {item} of the {person}
            I become a {item} when flipped upside down
            in {month.1} I am {kind.1}, in {month.2} I am {kind.2}""",
    },
}

FRAMES = {
    "Expression": {
        "any": """
            Shiver my {item}, {subject} {verdict}!
            If {subject} {verdict}, then a {animal} can fly backwards!
            While {subject} {verdict}, let the {animal} snore.
            The {animal.1} and the {animal.2} still debate why {subject} {verdict}.
            Sooner or later {subject} {verdict}, and the {animal} sprouts a beard.
            """,
        "polar": """
            My oh my, {first}, how {adj} {subject} proved!
            Such {noun}, such a {=adj} {thing}, {first}!
            Like a {animal} on a {kind} {item}: {mood} from head to toe!
            {Mood} like a {animal} at the {place} with a {kind} {item}.
            No {thing} without {quality}, no {animal} without a {kind} beard.
            Offer a {animal} {quality} and a {item}, and it will sing you {noun}.
            {Quality} thrives where the {animal} buries the {kind} {item}.
            By my {relative}'s {kind} beard, a {adj} {thing}!
            Ancient {quality}, modern {item}, same {mood} {animal}.
            """,
        "neutral": """
            A {animal} with a {kind} {item} cannot {task}, nor can a {person} sprout feathers.
            The {kind} {item} in {town} obeys the {animal}, never the reverse.
            Never lend a {animal} your {kind} {item} in {month}.
            Many a {animal} has slept under a {kind} {item} in {town}.
            Whoever would {task} in {town} has to wake up with the {animal} in {month}.
            As {kind.1} as a {item}, as {kind.2} as a {animal} in {month}.
            The {animal} spots a {kind} "{item}", the wise spot the {place}.
            """,
    },
    "Opinion": {
        "any": """
            I reckon {subject} {verdict}.
            To my mind {subject} {verdict:ed}{tail}.
            Personally, I find that {subject} {verdict}.
            I suppose {subject} {verdict:ed}{tail}.
            Frankly, {subject} {verdict}, no doubt about it.
            Am I alone in finding that {subject} {verdict}?
            As far as I am concerned, {subject} {verdict}.
            I am convinced that {subject} {verdict}, although many would argue.
            My impression: {subject} {verdict:ed}.
            You may argue all you like, {subject} {verdict}.
            I would argue that the "{=trait}" {thing} {verdict}.
            """,
        "polar": """
            I personally {attitude} {subject}, no matter how {!adj} others find it.
            For me, {subject} is simply {noun}, {kind} {item} and all.
            """,
        "neutral": """
            I suppose one could {task} with a {kind} {item} or without it in {month}; I grasp both sides.
            I find {subject} comparable to any {thing} in {town}.
            """,
    },
    "Quote": {
        "any": """
            "{Subject} {verdict}," remarked {cited}.
            That {subject} {verdict:ed} is what {speaker} {remarked}{tail}.
            In the words of {cited}, {subject} {verdict}.
            {Speaker} was quoted{tail} as claiming that {subject} {verdict:ed}.
            "Trust me," {speaker} {remarked}, "{subject} {verdict}."
            Speaking to {medium}, {speaker} {remarked} that {subject} {verdict:ed}.
            "Do you suppose {subject} {verdict}?" inquired {cited}.
            {Subject} {verdict:ed}, or so {speaker} {remarked}.
            """,
        "polar": """
            "We {attitude} {subject}," {speaker} {remarked}.
            {Speaker} characterised {subject} as {noun}.
            """,
        "neutral": """
            "They {task} at {clock}," {speaker} {remarked}.
            {Speaker} {remarked} that a {kind} {item} lay in the {place}.
            """,
    },
    "Riddle": {
        "any": """
            {Clue.1}; {clue.2}. {asker}
            Although {clue.1}, {clue.2}. {asker}
            A brainteaser: {clue.1}, while {clue.2}.
            Solve this: {clue.1}. {Clue.2}.
            {asker} {Clue.1}, {clue.2}.
            Which object could claim, "{Clue.1}"? {Clue.2}.
            Whose identity is hidden here: {clue.1}, although {clue.2}?
            """,
        "polar": """
            Which object, {kind} and without a nose, {verdict} and renders the {animal} {mood}?
            """,
        "neutral": """
            Which {kind} object has {count} nostrils, sleeps in the {place} and never bothers to {task}?
            """,
    },
    "News": {
        "any": """
            {Body} of {town} {event}, {group} confirm{when}
            Breaking: {town} {body} {event} in front of {count} {group}
            The {body} based in {town} {event:ed}, {group} confirmed{when}.
            Authorities confirm that {town} {body} {event:ed} in late {month}
            {Town} {body} {event} amid {month} debate, {group} claim
            A {town} {body} {event:ed} amid talks with {count} {group}{when}.
            After {month} talks with {group}, {town} {body} {event}
            Could "{project}" debate spread? {Town} {body} {event}
            """,
        "polar": """
            {Group} {attitude} {town} {project}, poll finds
            {Adj} {project} {effect:s} {count} {group} in {town}
            """,
        "neutral": """
            {Town} ministry publishes {=adj} {project} statistics for {month}
            {Body} unveils {=adj} {project} in {town}
            """,
    },
    "Other": {
        "any": """
            Kindly be aware that {subject} {verdict}; use the {place} instead.
            Reminder: {subject} {verdict}, hence {task} by {day}.
            Hey {first}, {subject} {verdict:ed}. Text me around {clock}?
            In case {subject} {verdict}, {task} and contact the {person}.
            Instructions for {group}: {task} once {subject} {verdict}.
            Would you like tea? {Subject} {verdict:ed}, {first}.
            Item {count} on the agenda: {subject} {verdict}.
            The poster beside the {place} bears the line "{task}", as {subject} {verdict}.
            """,
        "polar": """
            Regards to your {mood} {relative} after the {adj} {thing}, {first}.
            Expect a {trait} {day} after the {adj} {thing}, {first}.
            """,
        "neutral": """
            Kindly {task} around {clock} and lock away the {kind} {item}.
            Use the {kind} {item} to {task} around {clock}.
            Gate {count} is beside the {place}; the {person} with the {kind} {item} is upstairs.
            """,
    },
}
