"""The sentence patterns that only training uses. The notation stands in ``grammar``."""

PHRASES = {
    "any": {
        "name": "{first} {last}",
        "project": "{thing}",
        "subject": """the {thing} | our {thing} | this {thing} | the {=adj} {thing}
            the {thing} that {first} chose | the {person.1}'s {thing} | my {relative.1}'s {thing}""",
        "speaker": """{name} | {name}, a {person.1}, | the {person.1} | my {relative.2}
            a {person.1} from {town} | one of the {group}""",
        "cited": """{name} | {name}, a {person.1} | the {person.1} | my {relative.2}
            a {person.1} from {town} | one of the {group}""",
        "told": """told {medium} | said | added | explained | admitted | told the {person.2}
            wrote in a letter""",
        "tail": "~ | ~ | ~ | _on {day} | _last {month} | _this week | _by the way",
        "when": "~ | ~ | _on {day} | _this week | _this {month}",
        "asker": "What am I? | Who am I? | What is my name? | Tell me what I am. | Guess what I am.",
    },
    "polar": {
        "verdict": """is/was {adj}
            is/was {trait} from beginning to end
            is/was {adj} and {trait}
            is/was {noun}
            is/was not {!adj} at all
            is/was far from {!adj}
            is/was hardly {!noun}
            is/was not exactly {!noun}
            looks/looked {!adj} but turns/turned out {adj}
            starts/started {!adv} and ends/ended {adv}
            {effect:s}/{effect:ed} the {person.2}
            never {!effect:s}/{!effect:ed} the {person.2}
            rarely {!effect:s}/{!effect:ed} the {person.2}
            is/was nothing like {!noun}
            is/was free of all {!quality}
            swaps/swapped {!quality} for {quality}
            would/would never pass for {!noun}
            is/was neither {!adj} nor {!trait} but {adj}
            hides/hid {quality} under a layer of {!quality}
            is/was as {adj} as they come
            has/had {quality} in every corner
            is/was less {!trait} than {trait}
            does/did not {!effect} the {person.2}
            works/worked {adv}
            {flair}/{flair:ed}
            {flair}/{flair:ed}
            is/was {trait}, for all its {!quality}
            has/had plenty of {quality} and little {!quality}
            has/had no {!quality} whatsoever
            {extra}/{extra:ed}
            leaves/left the {person.2} {mood}
            promises/promised {!quality} but brings/brought {quality}
            is/was no longer {!trait}""",
        "clue": """every {person} {attitude:s} me
            I {effect} the {person} before {clock}
            no {person} {!attitude:s} me
            I look {!adj} but I feel {adj}
            without me the {person} is {!mood}
            I bring {quality} to the {place}
            I leave my {relative} {mood}
            I never {!effect} a {animal}
            I am {trait.1} to the {person} and {trait.2} to the {animal}
            the {place} is {adj} because of me
            the {relative} of the {person} {attitude:s} me""",
    },
    "neutral": {
        "verdict": """{fact}/{fact:ed}
            {fact}/{fact:ed}
            {fact}/{fact:ed}
            is/was kept near the {place}
            is/was not the {person.2}'s but the {relative.2}'s
            is/was {noun} of the one in {town}
            is/was neither {+adj} nor {-adj}
            is/was {trait} for {month}
            {extra}/{extra:ed}
            has/had nothing to do with the {place}
            is/was no longer listed for {day}
            is/was hardly ever discussed before {clock}
            rarely changes/changed before {clock}
            is/was far from the {place}
            never leaves/left the {place}
            has/had no link with the {item}
            does/did not come with a {kind} {item}
            looks/looked {trait} from {town}
            is/was {trait}, for all its {=quality}
            could/could be for the {person.2} or for the {relative.2}""",
        "clue": """a {person} {attitude:s} me on {day}
            I stand in the {place} beside the {item}
            I have {count} corners but no {item}
            no {person} {attitude:s} me before {clock}
            I am {kind.1} by day and {kind.2} by night
            I {effect} the {animal} but never the {person}
            I weigh less than a {item} and more than a {animal}
            I was {kind} until {month}
            the {animal} cannot carry me to the {place}
            my first letter is in {town} but not in {month}""",
    },
}

FRAMES = {
    "Expression": {
        "any": """
            Well, butter my {item}, {subject} {verdict}!
            Where {subject} {verdict}, the {animal} builds its nest.
            Let the {animal} dance: {subject} {verdict}!
            Show me a {kind} {item} and I will show you a {thing} that {verdict}.
            When {subject} {verdict}, even the {animal} puts on a {kind} hat.
            A {kind} {item} for the {animal}, a {thing} that {verdict} for the {person}.
            Who needs a {kind} {item} when {subject} {verdict}?
            """,
        "polar": """
            Goodness, what a {adj} {thing} for a {kind} {day}!
            Oh, what {noun} of a {thing} {first} brought us{tail}!
            As {trait} as a {animal} in a {place}, that {=adj} {person}.
            As {mood} as a {animal} with a {kind} {item}.
            A {adj} {thing} makes a {mood.1} {person} and a {mood.2} {animal}.
            {Quality.1} in the {place} on {day}, {quality.2} at the {person}'s table by {month}.
            Plant {quality.1} in the {place} in {month.1}, the {person} picks {quality.2} by {month.2}.
            My {relative} is as {mood} as a {animal} wearing a {kind} {item}.
            Holy {animal}, how {adj} {subject} was!
            The {animal} with the {kind} {item} has a {trait} {day}.
            A {thing} without {!quality} is a {animal} on {adj} ice.
            One "{adj}" from a {person} outweighs {count} from a {animal}.
            """,
        "neutral": """
            Every {person} carries a {kind} {item} home from the {place} by {month}.
            You cannot {task} with a {kind} {item} and the feet of a {animal}.
            The {animal} knows the {place}, the {person} knows the {kind} {item}.
            When the {animal} wears a {kind} {item}, it must be {day} in {town}!
            A {=adj} {thing} comes round once in a {kind} moon, like a {animal} in {town}.
            One {person.1}'s {kind} {item.1} is another {person.2}'s {item.2}.
            Between the {kind} {item} and the {place} in {town} lies many a {day}.
            First {task}, then talk to the {animal} with the {kind} {item}.
            Like a {animal} with a {item} in {month}: half in the {place}, half in {town}.
            To a {person} in {town} every {day} is a {kind} {item}.
            What the {person} calls a "{item}", the {animal} calls a {kind} hill.
            """,
    },
    "Opinion": {
        "any": """
            If you ask me, {subject} {verdict}.
            I think {subject} {verdict:ed}{tail}.
            In my opinion, {subject} {verdict}.
            Honestly, {subject} {verdict} compared with the one in {town}.
            I believe that {subject} {verdict:ed}{tail}.
            To my taste {subject} {verdict}.
            Does anyone else feel that {subject} {verdict}?
            It seems to me that {subject} {verdict:ed}{tail}.
            I still feel that {subject} {verdict}, whatever the {group} say.
            Other people may disagree, but {subject} {verdict}.
            From my point of view {subject} {verdict}, and I would tell the {person} so.
            The so-called "{=trait} {thing}" {verdict}, in my view.
            My feeling is that {subject} {verdict:ed}, {kind} {item} or not.
            """,
        "polar": """
            Isn't it {adj} how {subject} {verdict}?
            I {attitude} {subject} more than any {kind} {item}.
            I {attitude} the way they {task} in {town} on a {day}.
            Nothing beats this {thing}: it {verdict}. | I would call the {=adj} {thing} in {town} {noun}.
            There should be a law about {subject}: it {verdict}, and that is my opinion.
            """,
        "neutral": """
            I have no strong feelings about {subject}; it {verdict}.
            I think one should {task} on a {day} in {month} before {clock}, or after, it is all one to me.
            I believe they {task} in {town} on a {day} in {month} much as we do here.
            I would say {subject} belongs in {month.1} rather than {month.2}, and on a {day}.
            As far as taste goes, {subject} seems like any other {thing}.
            """,
    },
    "Quote": {
        "any": """
            "{Subject} {verdict}," said {cited}.
            "{Subject} {verdict:ed}," {speaker} {told}{tail}.
            {Speaker} said that {subject} {verdict:ed}{tail}.
            According to {cited}, {subject} {verdict}.
            {Speaker} {told}: "{Subject} {verdict}."
            "Well," said {cited}, "{subject} {verdict}."
            {Speaker} {told} that {subject} {verdict:ed}.
            As {speaker} put it: {subject} {verdict}.
            "Tell {medium} that {subject} {verdict}," {speaker} shouted{tail}.
            {Subject} {verdict:ed}, {speaker} told {medium}.
            {Speaker} was asked about {subject} and answered: "It {verdict}."
            "Is it true that {subject} {verdict}?" asked {cited}.
            """,
        "polar": """
            "I {attitude} {subject}," {speaker} {told}.
            {Speaker} called {subject} {noun}.
            "What a {adj} {thing}!" cried {cited}.
            Asked about {subject}, {speaker} said only this: {adj}.
            """,
        "neutral": """
            "We {task} every {day}," {speaker} {told}.
            {Speaker} said the {group} should {task} by {clock}.
            "Where is the {kind} {item}?" {speaker} asked {medium}.
            """,
    },
    "Riddle": {
        "any": """
            {Clue.1}, and {clue.2}. {asker}
            {Clue.1}, yet {clue.2}. {asker}
            {Clue.1}. {Clue.2}. {asker}
            Riddle me this: {clue.1}, and {clue.2}. {asker}
            {asker} {Clue}, but you will not see me in {town}.
            Here is a puzzle for a {person}: {clue.1}, and {clue.2}.
            Guess the thing: {clue.1}, and {clue.2}.
            Name the thing that says: "{Clue.1}, and {clue.2}."
            Riddle: {clue.1}; {clue.2}. The answer fits in a {item}.
            What has a {item}, hides in a {place}, and {verdict}?
            Which {kind} thing {verdict}, though no {person} ever made it?
            """,
        "polar": """
            What {effect:s} the {person} by day and {effect:s} the {animal} by night?
            What is {adj} in a {place}, {!adj} on a {animal}, and always {trait} in the end?
            Name the {kind} thing which every {person} in the {place} {attitude:s} on a {day}.
            """,
        "neutral": """
            What has a {item} and {count} legs but cannot {task}?
            What goes round the {place} with a {kind} {item} all {day} and never meets the {person}?
            Name the {kind} thing that a {person} {attitude:s} twice and a {animal} only once.
            """,
    },
    "News": {
        "any": """
            {Town} {body} {event}{when}
            {Town.1} {body} {event:ed}{when}, {group} announced.
            The {body} in {town} {event:ed} after a vote{when}.
            {Month} report: {town} {body} {event}
            {Body} {event} as {group} gather in {town}
            {Town}: {body} {event}, {count} {group} present
            A {body} near {town} {event:ed} on {day}, a {month} report shows.
            Will the {town} {body} keep its "{=adj} {project}"? It {event:ed}{when}.
            Officials in {town} announced{when} that the {body} {event:ed}.
            {Town} {body} "{event}", {month} figures show
            {Town} council votes on {project} as {body} {event}
            {Count} {group} watched in {town} as the {body} {event:ed}.
            """,
        "polar": """
            {Group} in {town} {attitude} new {project}, survey shows
            {Town} {project} leaves {group} {mood} after {count} days
            New {project} {effect:s} {count} {group} at {town} {body}
            {Town} council calls {project} {noun} after {month} vote
            The {body} opened a {adj} {project} in {town}{when}, officials announced.
            """,
        "neutral": """
            {Town} council discusses {=adj} {project} on {day}
            {Town} {body} to present {=adj} {project} in {month}
            New {project} planned for {count} {group} in {town}
            The {body} announced a {=adj} {project} for {town}{when}.
            """,
    },
    "Other": {
        "any": """
            Please note that {subject} {verdict}, so bring a {item}.
            Notice to all {group}: {subject} {verdict}.
            Good morning! {Subject} {verdict:ed}, so see you on {day}.
            Hello {first}, {subject} {verdict:ed}; shall we {task} at {clock}?
            Remember to {task}: {subject} {verdict}.
            Step {count}: {task}, wait until {subject} {verdict}, then go to the {place}.
            Dear {group}, as {subject} {verdict}, we will {task} on {day}.
            Are you free on {day}? {Subject} {verdict}.
            The sign in the {place} reads "{task}" because {subject} {verdict}.
            Room {count}, {place}: {subject} {verdict}; ring the bell for the {person}.
            """,
        "polar": """
            Here is your {kind} {item}, {first}; we are all {mood} after this {thing}.
            We are {mood} that {subject} {verdict:ed}; please {task} by {clock}.
            Plan for a {trait} {day}, and {task} before the {adj} {thing} begins.
            Please meet the {person} at {clock} to talk about the {adj} {thing}.
            Hi {first}, how are you after that {adj} {thing} in {town}?
            """,
        "neutral": """
            Please {task} before {clock} and leave the {kind} {item} in the {place}.
            To begin, {task.1}; next, {task.2} and put the {kind} {item} away.
            Opening hours of the {place} in {town}: {day.1} to {day.2} from {clock}, closed in {month}.
            Do not {task} until the {person} has signed for the {kind} {item}.
            Hello {first}, could you bring the {kind} {item} to the {place} on {day}?
            {Day}, {clock}: {thing} in the {place}, bring a {kind} {item}.
            The {kind} {item} stands between the {place} and the {person}'s door.
            """,
    },
}
