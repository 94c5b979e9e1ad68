"""The demo's texts: messages to a parcel service, written by a small grammar and a seed.

What a customer wants is said in many words, and hardly any of them twice: that is what a network that has read a
lot helps with. How a message came in stands at its end in always the same words, which counting finds as well.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from headstart.core.files import write_atomic

PER_CLASS = 12
"""Labels of each wish that the demo may learn from; the other messages are kept for the test."""

WISHES = {
    "late": """
        I have been waiting for {it} since {day} and nobody rang
        {it} was meant to be here {day}, where is it?
        still nothing in the letterbox, a whole week gone
        the tracking page has said "on its way" for days on end
        you promised next-day and it is now {day}
        has {it} got lost somewhere?
        no sign of {thing} I ordered ages ago
        how much longer will this take?
        it was supposed to come before the weekend
        my {friend} posted {thing} a fortnight ago, I never got it
        stuck at your depot according to the app, no movement at all
        when can I finally expect {it}?
        my birthday was {day} and the gift is nowhere to be seen
        I took a day off work for nothing, it did not turn up
        the estimated date keeps slipping
        three times the date was pushed back
        everyone else on my street got theirs, mine is missing
        no update since it left the warehouse
        are you sure it was shipped? I see nothing
        this is the slowest service I have known
        {thing} should have reached me by {day}
        it says delivered but there is nothing on the porch
        I looked everywhere and asked the neighbours, it is not here
        your map shows the van circling the town since {day}
        could somebody look for {it}?
        gone astray, I fear
        the shop says they handed it to you long ago
        held up at customs, or what is going on?
        I need it for the wedding on {day}, will it be in time?
        we are running out of patience, where does it hang about?
        not arrived
        the countdown reached zero yesterday and the bell stayed silent
        is there a delay in our area?
        two deliveries expected, only one came
        my {friend} keeps asking me whether it is here yet
        whatever happened to {it}?""",
    "damaged": """
        {it} came with a hole in its side
        when I opened it there were only shards
        the screen has a crack right across
        everything inside is soaked
        one corner is crushed completely
        {thing} fell to pieces in my hands
        somebody must have dropped it, it rattles
        wet cardboard and mouldy contents
        the bottle leaked over all the rest
        torn open and taped up again, half the contents gone
        the frame is bent
        there is a boot print on the lid
        the glass did not survive the trip
        scratched all over, this was new
        it does not switch on any more after your ride
        squashed flat as a pancake
        {thing} reached me in two halves
        the handle snapped off
        chipped, dented, ruined
        the seal was broken and powder is everywhere
        what used to be a vase is now a puzzle
        my {friend} unwrapped a heap of splinters
        the wrapping was fine but the plates are smashed
        the lid came off and the paint ran out
        you call this fragile handling?
        a wheel is missing and the axle is warped
        the pages are stuck together from the rain
        I got a brick of melted chocolate
        the plant was upside down and its pot in bits
        there is a dent as big as my fist
        smells of petrol and is stained black
        the strings are broken and the neck is off
        it looks as if a forklift ran through it
        ripped, and the sleeves hang in shreds
        not a single egg was whole
        I am sending photos of the wreck""",
    "redirect": """
        can {it} go to my office instead?
        I will be on holiday, hand it to the people next door
        we have moved, our new street is Mill Lane
        drop it at the corner shop, I am out all {day}
        I typed the wrong house number
        the postcode on the label is not right any more
        could you keep it until I am home again?
        bring it in the evening, I work during the day
        leave {it} in the shed behind the house
        let my {friend} have it, he lives across the road
        ring at the back entrance, the front one is bricked up
        it must go to Leeds and not to York
        send it on to the hotel where I am staying
        put {thing} into the locker at the station
        I would rather fetch it from the branch myself
        my flat is on the fourth floor and not the first
        swap {day} for another date if you can
        the name on the bell is my {friend}'s, not mine
        do not try {day}, nobody is in
        I forgot to tell you the apartment number
        reroute it to my parents in the village
        a different destination, is that possible while it travels?
        my old flat is empty, forward everything
        the concierge accepts things until noon, use him
        change where it ends up, I am in hospital
        can the driver come after six?
        stop it on the road and take it to the depot for me
        the street was renamed last month, watch out
        deliver next week only, I am away
        it should reach the school, at the gate on the east side
        we need it on the building site and not at the head office
        put it on the balcony, ground floor left
        choose another drop-off point for {it}
        I mixed up billing and shipping location
        let it wait at your counter until {day}
        new home, same name: can you update that?""",
    "payment": """
        I was charged twice
        the invoice is higher than what you quoted
        where can I get a receipt for the tax office?
        your bill has an item on it I never booked
        my card was debited but the order failed
        what does it cost to ship {thing} abroad?
        the discount code did not work at the checkout
        I want my money for the express fee, it was not express
        you took the amount from my {friend}'s account
        how do I pay the customs duty?
        why the surcharge for an island?
        the transfer went out {day}, yet you send a reminder
        is there a cheaper rate for students?
        can I settle this by bank transfer?
        there is a strange fee on my statement
        the price changed between basket and confirmation
        forty pounds for such a small thing is steep
        please credit the difference to my account
        cash on delivery, do you offer that?
        I cancelled and still you billed me
        the VAT number is missing on the document
        your subscription renewed without asking me
        my voucher has vanished from the wallet
        who pays for the insurance?
        the direct debit bounced, what now?
        I overpaid and would like the rest back
        could you split the sum into instalments?
        compensation for the lost one has not reached my bank
        the total does not add up
        wrong currency on the slip, I live in Norway
        the contactless thing at your counter swallowed my coins
        when is the amount due?
        my company needs one collective bill for all of it
        I dispute this charge
        is the tip included?
        a penny more each month, is that an error?""",
    "return": """
        it does not fit, how do I send it back?
        I need a label for giving {thing} back to the shop
        wrong colour, I want another one
        can a courier collect it, I do not want to keep it
        within how many days may I change my mind?
        I ordered medium and got small, exchange it
        the printer is broken, can I show a code to hand it in?
        how do I get rid of {thing} I did not order?
        I would like to swap this for a larger size
        what do I write on the box that goes back to the sender?
        I had second thoughts about {thing}
        which counter takes things that go back?
        the shop wants it again, pick it up at my place
        my {friend} has one already, so it goes home to you
        not what the picture showed, take it away
        is there a form for goods one does not want?
        does it have to be in its own wrapping when I bring it back?
        where do I drop unwanted goods?
        the dress looks awful on me, off it goes
        refused at the door, is it on its way to the seller?
        I opened it, may I still hand it back?
        I got somebody else's goods, collect them
        only one of the two shoes suits, both shall go back
        how long until the seller has it again?
        sending back two of the three, one stays here
        I lost the slip that was in the box for sending it back
        it was a gift and I cannot use it, so what do I do?
        the wrong model, I asked for the newer one
        come and take the old fridge when you bring the next
        can my {friend} hand it in for me?
        too big, too loud, too much: have it again
        I changed my mind
        the trial month is over and {thing} must leave
        they sent left-handed ones, to be exchanged
        may I use the same box to ship it to where it came from?
        is sending it back free?""",
    "courier": """
        your driver shouted at my {friend}
        he parked across our drive and would not move
        the man threw {it} over the fence
        she was so kind and carried it up all the stairs
        the chap in the van drove over my flowerbed
        he never even knocked, just left a card
        someone in your uniform signed with my name
        your colleague was rude when I asked for help
        the woman who brought it was on the phone the whole time
        he smoked in our hallway
        a big compliment to the young man on the bike
        the lorry blocked the road for half an hour
        your employee laughed at my dog
        he demanded a tip before he let go of {it}
        she waited until I was down the stairs, how thoughtful
        the fellow swore at my {friend}
        he raced through a street where children play
        your staff left the garden gate open and the cat is gone
        he rang at six in the morning and grinned
        the guy did not speak a word and vanished
        your people always smile, that must be said
        the driver kicked it up the steps, I saw it
        he put a foot in the door and argued
        she helped my {friend} to carry the heavy one inside
        the young man scratched my car with his trolley
        he refused to come up to the third floor
        the person at the door was drunk
        I want to complain about the behaviour of your man
        give the lady on route nine a bonus, she is wonderful
        he peeped through our window
        the boy had no mask and coughed at me
        your van took the mirror off my car
        he called me names because I was slow to open
        the one on {day}s is a gem, always polite
        the driver wrote a nasty word on the card
        he made fun of my accent""",
}
"""Wish -> how it may be said, a message a line."""
SLOTS = {
    "it": "my parcel|the package|my order|the delivery|my shipment|the box",
    "day": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday",
    "thing": "the lamp|the kettle|the shoes|the book|the toy train|the coffee machine|the radio|the curtains",
    "friend": "sister|neighbour|uncle|mother|son|flatmate|grandfather|daughter",
}
OPENINGS = (
    "", "", "Hello, ", "Hi there, ", "Good morning, ", "Dear team, ", "Listen, ", "Once again: ", "Hey, ", "Well, ",
    "To whom it may concern: ", "Excuse me, ",
)  # fmt: skip
ENDINGS = (
    "", "", "", "Thanks.", "Let me know.", "I hope for an answer.", "Write back soon.", "What do you say?",
    "My number is with you.", "I am waiting.",
)  # fmt: skip
CHANNELS = {
    "app": "Sent from the parcel app",
    "web form": "Submitted online, contact page",
    "letter": "By post, yours sincerely",
}
"""How a message came in -> what it then ends with, whatever it wants: the second target."""


class Message(NamedTuple):
    """One message, what it wants, and how it came in."""

    text: str
    wish: str
    channel: str


def messages(seed: int = 0) -> list[Message]:
    """All messages, in an order and with wording that depend on the seed; a third of each wish by each way."""
    rng = np.random.default_rng(seed)
    found = []
    for wish, block in WISHES.items():
        lines = [line.strip() for line in block.strip().splitlines()]
        channels = rng.permutation(np.arange(len(lines)) % len(CHANNELS))
        for line, channel in zip(lines, channels, strict=True):
            name = tuple(CHANNELS)[channel]
            found.append(Message(_written(line, CHANNELS[name], rng), wish, name))
    return [found[i] for i in rng.permutation(len(found))]


def _written(line: str, last: str, rng: np.random.Generator) -> str:
    """The line with its blanks filled, between an opening and two endings."""
    for name, words in SLOTS.items():
        line = line.replace(f"{{{name}}}", str(rng.choice(words.split("|"))))
    opening, ending = str(rng.choice(OPENINGS)), str(rng.choice(ENDINGS))
    if not opening:
        line = line[0].upper() + line[1:]
    line = line if line[-1] in "?!." else f"{line}."
    return " ".join(f"{opening}{line} {ending} {last}".split())


def examples(target: str, *, seed: int, most: int = 6) -> list[tuple[str, str]]:
    """(text, label) of a few messages, the labels in turn."""
    found: dict[str, list[tuple[str, str]]] = {}
    for message in messages(seed):
        label = getattr(message, target)
        found.setdefault(label, []).append((message.text, label))
    each = -(-most // len(found))
    return [found[label][i] for i in range(each) for label in sorted(found)][:most]


def write(path: Path, target: str, *, seed: int) -> Path:
    """A table with the columns text, label and split, written once; returns its path.

    `target` is "wish" or "channel".
    """
    if not path.exists():
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(["text", "label", "split"])
        taken: dict[str, int] = {}
        for message in messages(seed):
            taken[message.wish] = taken.get(message.wish, 0) + 1
            part = "train" if taken[message.wish] <= PER_CLASS else "test"
            writer.writerow([message.text, getattr(message, target), part])
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, buffer.getvalue().encode())
    return path
