"""The words that only validation and test sentences use. The notation stands in ``grammar``."""

TOPIC_WORDS = {
    "food": {
        "thing": """risotto | chowder | pastry | pie | burger | banquet | dessert | roast | porridge
            gravy | tart | supper""",
        "item": """kettle | cucumber | whisk | skillet | walnut | pepper mill | platter | cheese grater
            peach | chopstick""",
        "person": "chef | caterer | brewer | grocer | dishwasher | confectioner",
        "place": "brasserie | brewery | delicatessen | cellar | tavern",
        "body": "bistro | creamery | catering outfit | food truck | chocolate brand",
        "task": """grate the cheese | whisk the cream | simmer the broth | season the fish
            crack the walnuts | grease the tray | drain the pasta | flatten the pastry""",
        "fact": """includes/included lentils and spinach | is/was plated at {clock}
            tips/tipped the scales at {count} ounces | is/was baked at {count} degrees
            combines/combined potatoes with herbs | lands/landed on the {day} platter""",
        "praise": "bursts/burst with flavour | begs/begged for a second helping | warms/warmed the soul",
        "blame": """reeks/reeked of burnt fat | crumbles/crumbled into soggy lumps
            lodges/lodged like lead in the belly""",
    },
    "travel": {
        "thing": """voyage | safari | resort | motel | excursion | expedition | layover | pilgrimage
            stopover | trek | honeymoon""",
        "item": """backpack | visa | timetable | canoe | sunhat | trunk | paddle | binocular case
            sleeping bag | globe""",
        "person": "backpacker | stewardess | chauffeur | explorer | innkeeper | conductress",
        "place": "terminal | jetty | campground | departure lounge | customs post",
        "body": "bus authority | taxi fleet | hovercraft line | tram depot | funicular",
        "task": """renew the visa | strap the backpack | hail a taxi | paddle the canoe
            consult the timetable | unroll the sleeping bag | withdraw the currency | lock the trunk""",
        "fact": """zigzags/zigzagged between {count} hamlets | docks/docked at gate {count}
            spans/spanned {count} kilometres | sets/set off at {clock} | loops/looped around the lake
            sleeps/slept {count} guests""",
        "praise": """awakens/awakened the wanderer in everyone | sweeps/swept everyone into raptures
            unfolds/unfolded like a fairy tale""",
        "blame": """maroons/marooned guests overnight | itches/itched with bedbugs
            degenerates/degenerated into an ordeal""",
    },
    "sport": {
        "thing": """marathon | regatta | championship | derby | semifinal | sprint | dribble | volley
            bout | playoff | slalom""",
        "item": """javelin | medal | saddle | skateboard | hurdle | stopwatch | puck | jersey
            surfboard | dartboard""",
        "person": "gymnast | goalie | jockey | sprinter | linesman | wrestler",
        "place": "arena | velodrome | grandstand | locker bay | skating rink",
        "body": "hockey side | cycling federation | basketball franchise | judo association | ski lodge",
        "task": """leap the hurdle | throw the javelin | saddle the horse | sharpen the skates
            dribble past the cones | hoist the barbells | chalk the cue | paddle the kayak""",
        "fact": """pits/pitted {count} athletes against each other | consists/consisted of {count} laps
            finishes/finished at {clock} | uses/used an electronic stopwatch
            attracts/attracted riders from {town} | falls/fell on a {day}""",
        "praise": """electrifies/electrified the arena | deserves/deserved the loudest ovation
            has/had spectators on the edge of their seats""",
        "blame": """limps/limped to the buzzer | empties/emptied the grandstand
            reduces/reduced the faithful to tears""",
    },
    "music": {
        "thing": """ballad | sonata | overture | anthem | gig | lullaby | setlist | cantata | solo
            mixtape | remix""",
        "item": """cello | guitar | clarinet | tambourine | accordion | vinyl disc | amplifier
            xylophone | trombone | ukulele""",
        "person": "cellist | guitarist | organist | soprano | busker | songwriter",
        "place": "auditorium | nightclub | cathedral | jazz cellar | amphitheatre",
        "body": "string quartet | philharmonic | folk festival | gospel ensemble | broadcaster",
        "task": """strum the guitar | rosin the bow | memorise the lyrics | transpose the score
            rehearse the sonata | tap the tambourine | replace a string | clap the rhythm""",
        "fact": """modulates/modulated upwards | features/featured {count} instruments
            fades/faded out after {count} bars | premieres/premiered in {town}
            fills/filled one side of the vinyl | repeats/repeated the refrain twice""",
        "praise": """triggers/triggered shivers of bliss down the spine | soars/soared to the rafters
            has/had the balcony dancing""",
        "blame": "grates/grated on the nerves | wobbles/wobbled painfully | sedates/sedated the audience",
    },
    "work": {
        "thing": """appraisal | internship | conference | promotion | assignment | seminar | commute
            briefing | payroll | audit""",
        "item": """calculator | paperclip | whiteboard | briefcase | filing cabinet | swivel stool
            laminator | lanyard | toolbox | fluorescent vest""",
        "person": "supervisor | recruiter | electrician | apprentice | receptionist | consultant",
        "place": "cubicle | headquarters | mezzanine floor | mailroom | construction site",
        "body": "steelworks | staffing bureau | sawmill | carmaker | architecture bureau",
        "task": """revise the proposal | shred the documents | staple the handouts
            photocopy the slides | brief the recruiter | calibrate the scales | archive the transcripts
            log your overtime""",
        "fact": """gathers/gathered {count} employees | occupies/occupied the {day} slot
            concludes/concluded at {clock} | sums/summed up {count} slides
            relates/related to the logistics division | recurs/recurred each quarter""",
        "praise": """fills/filled employees with energy | paves/paved a path to a dazzling career
            sparks/sparked a flood of bright ideas""",
        "blame": """grinds/ground employees into the dust | breeds/bred nothing but stress
            kills/killed all motivation""",
    },
    "weather": {
        "subject": """the {thing} | the {thing} which {first} photographed | the {=adj} {thing}
            the {thing} of late {month}""",
        "project": """levee | seismograph | wind tunnel | climate almanac | breakwater | avalanche siren
            gritting lorry""",
        "thing": """sunset | blizzard | hailstorm | mist | downpour | dawn | thaw | monsoon | flurry
            twilight | whirlwind""",
        "item": """snowman | weathercock | lightning rod | mitten | sandbag | wind chime | hailstone
            parasol | gumboot | moonbeam""",
        "person": "meteorologist | farmhand | lifeguard | mountaineer | ferryman | stargazer",
        "place": "meadow | estuary | summit | prairie | seafront",
        "body": "observatory | flood patrol | ski area | climate institute | storm bureau",
        "task": """shovel the driveway | stack the sandbags | fasten the shutters
            scrape the windscreen | bundle up the kids | launch the balloon | cover the boats
            calibrate the wind gauge""",
        "fact": """drifts/drifted towards {town} | drops/dropped {count} centimetres of slush
            peaks/peaked around {clock} | extends/extended over {count} kilometres
            descends/descended from the Arctic | subsides/subsided by {day}""",
        "praise": """dazzles/dazzled the entire shoreline | sets/set the spirit soaring
            wraps/wrapped the meadow in a rosy glow""",
        "blame": """wrecks/wrecked roofs and fences | numbs/numbed fingers and toes
            flattens/flattened the harvest""",
    },
    "gardens": {
        "thing": """rockery | terrace | topiary | orchid | vineyard | shrub | trellis | herb patch
            daffodil | fountain | hydrangea""",
        "item": """watering can | shovel | bulb | acorn | pair of shears | birdbath | earthworm
            sundial | sprinkler | scarecrow""",
        "person": "landscaper | horticulturist | orchardist | ranger | arborist | winegrower",
        "place": "conservatory | orangery | arboretum | patio | potting bench",
        "body": "arboretum | horticultural fair | landscaping crew | vineyard | bulb grower",
        "task": """trim the ivy | mulch the shrubs | harvest the herbs | graft the plums
            repot the cactus | edge the path | tie up the vines | hoe the beetroot""",
        "fact": """blossoms/blossomed in {month} | scatters/scattered its petals by {day}
            climbs/climbed {count} inches in total | adjoins/adjoined a gravel path
            tolerates/tolerated clay and shade | hosts/hosted {count} species""",
        "praise": """erupts/erupted in dazzling petals | causes/caused passers-by to gasp with rapture
            flourishes/flourished beyond all hopes""",
        "blame": """wilts/wilted into brown slime | crawls/crawled with aphids and rot
            shrivels/shrivelled to a sorry stump""",
    },
    "technology": {
        "thing": """smartphone | drone | search engine | processor | chatbot | firmware | headphone set
            plugin | console | smartwatch""",
        "item": """router | joystick | microchip | touchpad | webcam | adapter | hard drive | cursor
            satellite dish | flash drive""",
        "person": "coder | data analyst | system administrator | tester | inventor | machinist",
        "place": "data hub | hackathon | assembly bay | makerspace | hotline hub",
        "body": "startup | gaming guild | satellite enterprise | tech giant | electronics brand",
        "task": """reboot the router | uninstall the plugin | encrypt the hard drive | compile the code
            sync the calendar | solder the wires | mute the webcam | delete the cookies""",
        "fact": """generates/generated {count} watts of heat | syncs/synced with {count} devices
            handles/handled {count} requests | supports/supported both formats
            consumes/consumed {count} megabytes | suits/suited any wall socket""",
        "praise": """purrs/purred along without a hitch | responds/responded at lightning speed
            eclipses/eclipsed all its rivals""",
        "blame": """glitches/glitched nonstop | overheats/overheated and dies/died
            devours/devoured data and patience""",
    },
    "health": {
        "thing": """therapy | yoga class | surgery | prescription | injection | workout | ointment
            sauna | fast | physiotherapy session""",
        "item": """inhaler | wheelchair | hearing aid | cotton swab | dumbbell | vitamin | tissue
            eyepatch | scalpel | hot-water bottle""",
        "person": "paramedic | optician | therapist | pharmacist | dietitian | caregiver",
        "place": "operating theatre | spa | sickbay | recovery suite | outpatient wing",
        "body": "medical college | hospice | organ registry | vaccination drive | wellness retreat",
        "task": """swallow the capsule | apply the ointment | disinfect the scalpel
            shrug your shoulders | swaddle the newborn | gargle with saltwater | monitor your reflexes
            elevate the ankle""",
        "fact": """repeats/repeated after {count} heartbeats | targets/targeted the lower spine
            overlaps/overlapped the {clock} session | uses/used {count} milligrams
            is/was scheduled for {month} | strengthens/strengthened one ankle and one wrist""",
        "praise": """restores/restored youthful vigour | heals/healed every sufferer
            rejuvenates/rejuvenated body and soul""",
        "blame": """triggers/triggered nausea and cramps | inflicts/inflicted scars and suffering
            ravages/ravaged the immune system""",
    },
    "money": {
        "thing": """dividend | grant | subsidy | overdraft | allowance | annuity | salary | fee | bonus
            lottery | tariff""",
        "item": """debit card | bond | voucher | cash box | gift card | copper lamp | ingot | token
            payslip | abacus""",
        "person": "broker | investor | auctioneer | bookkeeper | debtor | economist",
        "place": "vault | trading floor | customs bureau | bazaar | pawnshop",
        "body": "venture fund | brokerage | mint | microcredit scheme | investment syndicate",
        "task": """transfer the funds | haggle over the fee | redeem the voucher | tally the expenses
            invest the surplus | convert the dollars | insure the jewellery | audit the accounts""",
        "fact": """equals/equalled {count} dollars | expires/expired in {month}
            shrinks/shrank by {count} dollars | accrues/accrued monthly
            applies/applied to incomes above {count} | vests/vested by {day}""",
        "praise": """multiplies/multiplied in value | frees/freed households from anxiety
            yields/yielded a fortune""",
        "blame": """ruins/ruined small investors | robs/robbed pensioners blind
            evaporates/evaporated overnight""",
    },
}

SENTIMENT_WORDS = {
    "Positive": {
        "adj": """fantastic | magnificent | amazing | outstanding | exquisite | stunning | gorgeous
            sublime | fabulous | exceptional | tremendous | great | stellar | astonishing""",
        "trait": """soothing | thoughtful | dependable | uplifting | heartwarming | enjoyable | polite
            delicious""",
        "noun": """a hit | a revelation | a highlight | a jewel | a godsend | an achievement | a victory
            a boon | a win""",
        "quality": "flair | kindness | finesse | ease | vigour | wit | harmony | elegance",
        "adv": "magnificently | impeccably | nicely | effortlessly | fabulously | exquisitely",
        "effect": """enchant/enchants/enchanted | thrill/thrills/thrilled | amuse/amuses/amused
            gladden/gladdens/gladdened | soothe/soothes/soothed | captivate/captivates/captivated
            gratify/gratifies/gratified | uplift/uplifts/uplifted""",
        "attitude": """cherish/cherishes/cherished | enjoy/enjoys/enjoyed | relish/relishes/relished
            salute/salutes/saluted | appreciate/appreciates/appreciated
            recommend/recommends/recommended | value/values/valued""",
        "mood": "joyful | overjoyed | elated | ecstatic | jubilant | thankful",
        "event": """scoops/scooped a coveted award | creates/created {count} apprenticeships
            doubles/doubled its profits | secures/secured vital funding | is/was hailed as a lifesaver
            triples/tripled its popularity | rewilds/rewilded {count} hectares of wasteland
            cures/cured {count} sufferers | averts/averted bankruptcy | thrives/thrived against all odds
            achieves/achieved its finest season | reunites/reunited {count} estranged siblings
            shelters/sheltered {count} homeless veterans""",
        "extra": """has/had nothing to conceal from its critics | outshines/outshone its rivals
            ages/aged like vintage wine | exceeds/exceeded the wildest hopes
            silences/silenced its critics""",
    },
    "Negative": {
        "adj": """appalling | atrocious | abysmal | ghastly | grim | lame | rotten | horrendous | woeful
            dire | wretched | bleak | mediocre | feeble | bad""",
        "trait": "tedious | irksome | draining | sloppy | stale | gloomy | painful | chaotic",
        "noun": """a letdown | a fiasco | a catastrophe | a headache | a dud | a setback | a travesty
            an embarrassment | a defeat""",
        "quality": "chaos | sloppiness | gloom | hassle | tedium | rudeness | strain | friction",
        "adv": "atrociously | shabbily | wretchedly | abysmally | ineptly | appallingly",
        "effect": """infuriate/infuriates/infuriated | dismay/dismays/dismayed | offend/offends/offended
            alarm/alarms/alarmed | aggravate/aggravates/aggravated | torment/torments/tormented
            exasperate/exasperates/exasperated | demoralise/demoralises/demoralised""",
        "attitude": """loathe/loathes/loathed | detest/detests/detested | fear/fears/feared
            condemn/condemns/condemned | lament/laments/lamented | shun/shuns/shunned
            deplore/deplores/deplored""",
        "mood": "furious | heartbroken | dejected | desperate | livid | humiliated",
        "event": """declares/declared bankruptcy | axes/axed {count} apprenticeships
            sacks/sacked its workforce | betrays/betrayed {count} loyal subscribers
            poisons/poisoned {count} guests | is/was sued for fraud | slumps/slumped to a historic low
            pollutes/polluted {count} hectares of wetland | squanders/squandered {count} million dollars
            forfeits/forfeited vital funding | suffers/suffered another fire
            evicts/evicted {count} homeless veterans | fumbles/fumbled the evacuation""",
        "extra": """has/had much to atone for | lags/lagged behind its rivals | ages/aged like milk
            dashes/dashed the loftiest hopes | insults/insulted our intelligence""",
    },
    "Neutral": {
        "adj": """yearly | current | municipal | southern | routine | provisional | shared | future
            central | quarterly""",
        "trait": "generic | mid-range | everyday | provisional | unmodified | intermediate",
        "noun": "a replica | a placeholder | a variant | a specimen | an entry | a prototype",
        "quality": "duration | shape | origin | title | scale | style",
        "adv": "annually | outdoors | once | sideways | in parallel | elsewhere",
        "effect": """overlook/overlooks/overlooked | contact/contacts/contacted
            resemble/resembles/resembled | summon/summons/summoned | adjoin/adjoins/adjoined""",
        "attitude": """classify/classifies/classified | observe/observes/observed
            register/registers/registered | inspect/inspects/inspected | sort/sorts/sorted
            identify/identifies/identified""",
        "mood": "outdoors | upstairs | elsewhere | uninvolved | awake",
        "event": """relocates/relocated to {town} | publishes/published its timetable
            appoints/appointed a deputy | repaints/repainted its logo
            catalogues/catalogued {count} {kind} objects | switches/switched to a {day} rhythm
            lends/lent {count} trolleys to {town} | swears/swore in a deputy
            hosts/hosted {count} delegates | renames/renamed its mascot
            extends/extended a lease in {town} | elects/elected a treasurer-at-large
            posts/posted its quarterly results""",
        "extra": """has/had the same title as the previous one | matches/matched the description
            ranks/ranked in the middle | corresponds/corresponded to the catalogue
            equals/equalled its predecessor""",
    },
}

GENERAL_WORDS = {
    "first": """Beatriz | Callum | Dagny | Ezra | Farah | Gideon | Hana | Ivo | Jolanda | Kasper | Leila
        Milo | Ottilie | Rafael | Saskia | Teodor | Una | Viggo | Wanda | Zoran""",
    "last": """Abernathy | Bexley | Calloway | Drummond | Eriksen | Farouk | Galloway | Hirano
        Ibsen-Grey | Jankowski | Kettleby | Lozano | Montague | Nyberg | Oduya | Prendergast | Quill
        Rasmussen""",
    "town": """Ashford Quay | Brackenfell | Crow Hollow | Fernhurst | Gullane Sands | Inverlea
        Juniper Bay | Larkspur | Otterburn | Ravensholt | Thornbury | Willowick""",
    "day": "Thursday | Friday | Saturday",
    "month": "February | April | June | August | October | December",
    "clock": "7:05 | 8:20 | 9:45 | 10:50 | 11:35 | 12:25 | 1:40 | 2:55 | 4:15 | 5:10 | 6:30",
    "count": "11 | 13 | 16 | 17 | 19 | 22 | 26 | 28 | 33 | 35 | 42 | 55 | 64 | 65 | 72 | 85 | 95 | 99",
    "kind": """rusty | green | tiny | leather | oval | dotted | rented | hollow | tall | folded | purple
        bronze""",
    "animal": """magpie | ferret | camel | porcupine | walrus | pelican | hamster | llama | lobster
        tortoise""",
    "relative": "nephew | niece | stepfather | sister | godmother | flatmate",
    "group": """commuters | authorities | shoppers | analysts | campaigners | teachers | townsfolk
        volunteers""",
    "medium": "the breakfast programme | a podcast | the parish gazette | a documentary crew | the mayor",
}
