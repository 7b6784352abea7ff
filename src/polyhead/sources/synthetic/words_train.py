"""The words that only training sentences use. The notation stands in ``grammar``."""

TOPIC_WORDS = {
    "food": {
        "thing": """soup | stew | omelette | pancake | lasagne | salad | pudding | curry | sandwich
            pizza | menu""",
        "item": "spoon | teapot | carrot | onion | ladle | saucepan | lemon | fork | napkin | biscuit",
        "person": "baker | waiter | cook | butcher | diner | waitress",
        "place": "kitchen | bakery | canteen | pantry | cafe",
        "body": "restaurant | noodle bar | bakery chain | cookery school | soup kitchen",
        "task": """peel the carrots | stir the sauce | knead the dough | boil the eggs | rinse the rice
            slice the bread | chop the onions | butter the toast""",
        "fact": """comes/came with rice and beans | is/was served until {clock}
            contains/contained {count} grams of flour | is/was made with barley and leeks
            feeds/fed {count} diners | needs/needed {count} minutes in the oven""",
        "praise": """melts/melted on the tongue | makes/made the mouth water
            tastes/tasted of summer holidays""",
        "blame": """tastes/tasted of cardboard | turns/turned the stomach
            arrives/arrived stone cold and greasy""",
    },
    "travel": {
        "thing": """hotel | cruise | flight | ferry | guidebook | tour | campsite | journey | hostel
            crossing | itinerary""",
        "item": """suitcase | passport | map | ticket | compass | lantern | rucksack | postcard | tent
            anchor""",
        "person": "traveller | guide | pilot | sailor | porter | tourist",
        "place": "harbour | station | airport | lobby | old town",
        "body": "airline | ferry company | coach operator | travel agency | railway",
        "task": """pack the suitcase | fold the map | board the ferry | stamp the passport
            book the cabin | pitch the tent | queue for tickets | carry the rucksack""",
        "fact": """leaves/left from platform {count} | stops/stopped in {town}
            covers/covered {count} miles | departs/departed at {clock} | has/had {count} cabins
            crosses/crossed the border near {town}""",
        "praise": """is/was like a dream holiday | offers/offered views worth framing
            makes/made every mile a pleasure""",
        "blame": "is/was like a punishment | smells/smelled of mould | loses/lost half the luggage",
    },
    "sport": {
        "thing": """match | race | tournament | league | relay | final | penalty | serve | kick-off
            goal | practice""",
        "item": "whistle | racket | helmet | net | trophy | scarf | oar | bicycle | glove | scoreboard",
        "person": "striker | referee | goalkeeper | coach | runner | umpire",
        "place": "stadium | changing room | clubhouse | pool | pavilion",
        "body": "football club | rowing team | athletics league | swimming squad | tennis academy",
        "task": """lace the boots | pass the ball | warm up properly | blow the whistle
            swim {count} lengths | mark the pitch | inflate the tyres | swing the racket""",
        "fact": """lasts/lasted {count} minutes | starts/started at {clock} | has/had {count} entrants
            is/was held in {town} | follows/followed the league rules | goes/went to extra time""",
        "praise": """brings/brought the crowd to its feet | shows/showed skill of the highest order
            earns/earned every cheer""",
        "blame": """sends/sent the fans home early | collapses/collapsed in the second half
            earns/earned a chorus of boos""",
    },
    "music": {
        "thing": """concert | album | song | symphony | duet | chorus | rehearsal | melody | recital
            encore | waltz""",
        "item": "violin | trumpet | drum | piano | flute | microphone | metronome | harp | bell | banjo",
        "person": "singer | drummer | conductor | pianist | composer | fiddler",
        "place": "concert hall | studio | practice room | opera house | bandstand",
        "body": "orchestra | choir | opera company | brass band | record label",
        "task": """tune the violin | learn the chorus | turn the pages | count the beats
            hum the melody | polish the trumpet | hold the top note | adjust the microphone""",
        "fact": """runs/ran for {count} minutes | is/was written in a minor key
            opens/opened with a drum roll | is/was recorded in {town} | has/had {count} verses
            is/was scored for strings and harp""",
        "praise": """gives/gave listeners goosebumps | sings/sang straight to the heart
            stays/stayed in the ear like honey""",
        "blame": """drags/dragged like a flat tyre | hurts/hurt the ears
            sounds/sounded like cats on a tin roof""",
    },
    "work": {
        "thing": """meeting | deadline | contract | project | job | interview | workshop | handover
            schedule | shift | memo""",
        "item": "stapler | desk | folder | pencil | printer | badge | envelope | clipboard | chair | stamp",
        "person": "manager | clerk | secretary | plumber | intern | accountant",
        "place": "office | boardroom | factory | warehouse | corridor",
        "body": "factory | shipyard | printing firm | trade union | delivery company",
        "task": """sign the contract | file the reports | answer the emails | clear the desk
            print the memos | order the envelopes | update the rota | train the interns""",
        "fact": """begins/began at {clock} | involves/involved {count} clerks
            runs/ran until the end of {month} | takes/took place in the boardroom
            is/was typed on {count} pages | covers/covered {count} departments""",
        "praise": """brings/brought out the best in the staff | pays/paid off handsomely
            gives/gave the whole office a lift""",
        "blame": """drives/drove the staff to despair | wastes/wasted everybody's time
            costs/cost good people their jobs""",
    },
    "weather": {
        "subject": """the {thing} | this {thing} | the {=adj} {thing} | the {month} {thing}
            the {thing} that {first} expected | the {thing} over {town}""",
        "project": """sea dyke | forecast | rain radar | lighthouse | weather map | gale warning
            snow plough""",
        "thing": """forecast | sunrise | breeze | thunderstorm | drizzle | heatwave | snowfall
            autumn sky | rainbow | gale | winter morning""",
        "item": """umbrella | raindrop | cloud | icicle | barometer | puddle | snowflake | kite
            raincoat | windsock""",
        "person": "forecaster | fisherman | shepherd | skipper | postman | hiker",
        "place": "valley | coast | hilltop | lighthouse | village square",
        "body": "weather station | coastguard | mountain rescue team | met office | lighthouse",
        "task": """open the umbrella | read the barometer | clear the snow | salt the steps
            watch the clouds | dry the raincoats | shut the windows | measure the rainfall""",
        "fact": """moves/moved in from the west | lasts/lasted about {count} minutes
            reaches/reached {town} by {clock} | brings/brought {count} millimetres of rain
            follows/followed a dry spell | covers/covered the coast and the hills""",
        "praise": """paints/painted the whole valley gold | lifts/lifted every heart
            makes/made the village sparkle""",
        "blame": """soaks/soaked everybody to the skin | spoils/spoiled every picnic
            chills/chilled the bones""",
    },
    "gardens": {
        "thing": """flower bed | lawn | strawberry field | hedge | rose garden | lily pond
            compost heap | tulip | vegetable plot | rockrose | fern""",
        "item": """spade | rake | seed | wheelbarrow | trowel | flowerpot | hosepipe | thorn | ladder
            beehive""",
        "person": "gardener | beekeeper | florist | neighbour | botanist | groundskeeper",
        "place": "greenhouse | shed | courtyard | orchard | back garden",
        "body": "botanic garden | flower show | seed merchant | allotment society | tree nursery",
        "task": """water the tulips | prune the roses | rake the leaves | sow the seeds
            weed the borders | mow the lawn | turn the compost | thin the carrots""",
        "fact": """faces/faced south | flowers/flowered in {month}
            needs/needed {count} litres of water | measures/measured {count} metres across
            grows/grew along the fence | sits/sat behind the shed""",
        "praise": """smells/smelled of paradise | blooms/bloomed like a painting
            brings/brought the bees and the butterflies back""",
        "blame": """withers/withered before your eyes | smells/smelled of drains
            chokes/choked on weeds and slugs""",
    },
    "technology": {
        "thing": """laptop | app | website | keyboard | robot | update | tablet | browser | camera
            gadget | password manager""",
        "item": "battery | cable | screen | mouse | charger | antenna | button | plug | sensor | headset",
        "person": "programmer | engineer | hacker | designer | technician | developer",
        "place": "lab | server room | repair shop | basement | showroom",
        "body": "software firm | phone maker | chip factory | internet provider | robotics lab",
        "task": """charge the laptop | install the update | reset the password | plug in the cable
            back up the files | scan the photos | close the browser | wipe the screen""",
        "fact": """weighs/weighed {count} grams | runs/ran on two batteries
            stores/stored {count} files | connects/connected over the local network
            ships/shipped in {month} | has/had {count} buttons""",
        "praise": """loads/loaded in the blink of an eye | works/worked like magic
            saves/saved hours of typing""",
        "blame": """crashes/crashed every other minute | freezes/froze at the worst moment
            eats/ate the battery alive""",
    },
    "health": {
        "thing": """clinic | diet | checkup | vaccine | stretch | exercise | treatment | massage
            blood test | nap | remedy""",
        "item": """bandage | thermometer | pill | toothbrush | pillow | crutch | stethoscope | syringe
            plaster | mirror""",
        "person": "nurse | dentist | surgeon | doctor | patient | midwife",
        "place": "hospital | waiting room | pharmacy | ward | gym",
        "body": "hospital | dental practice | health centre | ambulance service | eye clinic",
        "task": """fold the towels | count the pills | change the bandage | check the pulse
            fill in the chart | sterilise the syringe | bend the knees | dim the lights""",
        "fact": """takes/took {count} minutes | is/was offered every {day}
            lasts/lasted for {count} weeks | is/was open to patients over {count}
            requires/required two visits | begins/began with a blood test""",
        "praise": """works/worked wonders for the back | puts/put the spring back in your step
            eases/eased every ache""",
        "blame": """makes/made the pain worse | leaves/left patients dizzy and sick
            does/did more harm than help""",
    },
    "money": {
        "thing": """loan | budget | pension | savings plan | tax return | mortgage | invoice | refund
            wage | discount | deposit""",
        "item": "coin | wallet | receipt | purse | cheque | ledger | piggy bank | banknote | till | safe",
        "person": "banker | cashier | treasurer | lender | shopkeeper | landlord",
        "place": "bank | market | counting house | branch | corner shop",
        "body": "savings bank | credit union | insurance company | stock exchange | auction house",
        "task": """count the coins | pay the rent | check the receipt | balance the ledger
            settle the bill | compare the prices | fill in the form | split the invoice""",
        "fact": """runs/ran for {count} months | is/was due in {month}
            covers/covered {count} percent of the rent | is/was paid on the first {day} of {month}
            amounts/amounted to {count} coins | is/was printed in blue""",
        "praise": """pays/paid for itself twice over | puts/put a smile on every purse
            makes/made ends meet with room to spare""",
        "blame": "bleeds/bled families dry | swallows/swallowed every last coin | hides/hid nasty charges",
    },
}

SENTIMENT_WORDS = {
    "Positive": {
        "adj": """superb | wonderful | excellent | splendid | brilliant | lovely | marvellous | charming
            impressive | first-rate | delightful | pleasant | clever | remarkable | heavenly | admirable
            sweet | skilful | glorious | flawless | terrific | perfect""",
        "trait": """kind | friendly | refreshing | satisfying | graceful | reliable | inspiring
            rewarding | cheerful | comforting""",
        "noun": """a triumph | a success | a treat | a joy | a masterpiece | a gem | a blessing
            an improvement | a pleasure""",
        "quality": "charm | polish | warmth | care | sparkle | grace | balance | comfort",
        "adv": "beautifully | perfectly | smoothly | gracefully | brilliantly | marvellously",
        "effect": """delight/delights/delighted | please/pleases/pleased | cheer/cheers/cheered
            charm/charms/charmed | impress/impresses/impressed | reward/rewards/rewarded
            comfort/comforts/comforted | inspire/inspires/inspired""",
        "attitude": """love/loves/loved | adore/adores/adored | praise/praises/praised
            treasure/treasures/treasured | admire/admires/admired | applaud/applauds/applauded
            bless/blesses/blessed""",
        "mood": "happy | proud | grateful | pleased | relieved | delighted",
        "event": """wins/won a national prize | saves/saved {count} jobs | draws/drew record crowds
            rescues/rescued {count} stranded families | celebrates/celebrated a record year
            beats/beat every target | earns/earned top marks from inspectors
            donates/donated {count} thousand to charity | escapes/escaped the looming closure
            cuts/cut accidents by {count} percent""",
        "extra": """could/could have been far worse | leaves/left nobody unhappy
            is/was worth every minute | does/did not put a foot wrong | gets/got better every time""",
    },
    "Negative": {
        "adj": """terrible | awful | dreadful | horrible | miserable | dismal | hopeless | shoddy
            nasty | poor | hideous | worthless | grubby | unpleasant | unbearable | ridiculous | ugly
            second-rate | clumsy | disastrous | pathetic | lousy""",
        "trait": """rude | tasteless | tiring | frustrating | annoying | unreliable | depressing
            confusing | careless | boring""",
        "noun": """a disappointment | a failure | a disaster | a mess | a nightmare | a flop | a blunder
            a burden | a mistake""",
        "quality": "fuss | clutter | neglect | waste | noise | confusion | delay | misery",
        "adv": "badly | poorly | clumsily | terribly | miserably | hopelessly",
        "effect": """disappoint/disappoints/disappointed | annoy/annoys/annoyed | bore/bores/bored
            upset/upsets/upset | irritate/irritates/irritated | frustrate/frustrates/frustrated
            worry/worries/worried | exhaust/exhausts/exhausted""",
        "attitude": """hate/hates/hated | dread/dreads/dreaded | resent/resents/resented
            curse/curses/cursed | despise/despises/despised | regret/regrets/regretted
            scorn/scorns/scorned""",
        "mood": "angry | sad | bitter | tired | ashamed | disappointed",
        "event": """closes/closed with the loss of {count} jobs | faces/faced a fine for neglect
            cheats/cheated {count} families | leaves/left {count} families stranded
            sinks/sank into debt | misses/missed every target | injures/injured {count} in an accident
            angers/angered residents with a price rise | loses/lost the prize it was promised
            breaks/broke safety rules for {count} months""",
        "extra": """could/could have been a lot better | leaves/left nobody satisfied
            is/was a waste of an afternoon | does/did not get one thing right
            gets/got worse every time""",
    },
    "Neutral": {
        "adj": """local | weekly | usual | second | latest | seasonal | standard | northern | new
            average | common | early""",
        "trait": "typical | regular | medium-sized | ordinary | conventional | customary",
        "noun": "a copy | a sample | an example | a draft | a version | a model",
        "quality": "length | weight | colour | size | age | price",
        "adv": "slowly | weekly | twice | separately | indoors | in turn",
        "effect": """reach/reaches/reached | follow/follows/followed | involve/involves/involved
            await/awaits/awaited | precede/precedes/preceded | accompany/accompanies/accompanied""",
        "attitude": """mention/mentions/mentioned | notice/notices/noticed
            describe/describes/described | pass/passes/passed | discuss/discusses/discussed
            label/labels/labelled | number/numbers/numbered""",
        "mood": "busy | nearby | indoors | seated | unchanged",
        "event": """moves/moved to {town} | changes/changed its opening hours
            hires/hired a new {person} | enters/entered its third year | meets/met on {day}
            lists/listed {count} members | names/named a new chair | reviews/reviewed its rules
            prints/printed its annual report | swaps/swapped offices with a neighbour""",
        "extra": """could/could have been any other | is/was the second of {count}
            is/was on the list for {month} | does/did not differ from the last one
            gets/got a number like all the others""",
    },
}

GENERAL_WORDS = {
    "first": """Marta | Oskar | Elena | Tobias | Priya | Hugo | Ingrid | Mateo | Nora | Felix | Amina
        Gustav | Clara | Idris | Petra | Anton | Lucia | Yusuf | Greta | Emil""",
    "last": """Lindqvist | Okafor | Brennan | Castell | Varga | Whitlow | Nakata | Fenwick | Dorsey
        Haldane | Kowal | Mirza | Penrose | Sandoval | Tamm | Urquhart | Voss | Yarrow""",
    "town": """Eastmere | Harrowby | Lindale | Norcombe | Port Ellery | Stonebeck | Wexmoor | Kirkhaven
        Dunmarsh | Alderton | Millbrook | Saltcote""",
    "day": "Monday | Tuesday | Wednesday | Sunday",
    "month": "January | March | May | July | September | November",
    "clock": "7:15 | 8:40 | 9:30 | 10:05 | 11:20 | 12:45 | 2:10 | 3:50 | 4:25 | 5:35 | 6:55",
    "count": "12 | 14 | 15 | 18 | 20 | 24 | 25 | 30 | 36 | 40 | 45 | 48 | 50 | 60 | 70 | 75 | 80 | 90",
    "kind": "old | blue | little | wooden | round | striped | borrowed | spare | painted | narrow",
    "animal": "goose | fox | donkey | hedgehog | squirrel | heron | badger | goat | mole | otter",
    "relative": "aunt | uncle | cousin | grandmother | brother | friend",
    "group": "residents | officials | visitors | inspectors | experts | councillors | students | parents",
    "medium": "the evening paper | the local radio | a reporter | our newsletter | the council",
}
