#!/usr/bin/env python3
"""Writes the six tables of this folder (one JSON file each). The same bytes on every run."""

import json
import pathlib
from datetime import date, timedelta

HERE = pathlib.Path(__file__).parent


class Rolls:
    """A linear congruential generator: no dependence on Python's own."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % limit

    def pick(self, items):
        return items[self.below(len(items))]

    def some(self, items, most):
        return sorted({self.pick(items) for _ in range(self.below(most + 1))})

    def chance(self, percent):
        return self.below(100) < percent

    def between(self, low, high, step=1):
        return low + step * self.below((high - low) // step + 1)

    def day(self, first, last):
        first, last = date.fromisoformat(first), date.fromisoformat(last)
        return first + timedelta(days=self.below((last - first).days + 1))


def moment(day, hour=9):
    return f"{day.isoformat()}T{hour:02}:00:00.000Z"


TEXT, NUMBER, BOOLEAN = {"type": "string"}, {"type": "number"}, {"type": "boolean"}
WHEN = {"type": "string", "format": "date-time"}
LIST = {"type": "array", "items": {"type": "string"}}


def about(shape, description):
    return {**shape, "description": description}


FIRST = ["Anna", "Bruno", "Carla", "David", "Elena", "Felix", "Greta", "Hugo", "Irina", "Jonas", "Klara", "Luca",
         "Maria", "Nils", "Olivia", "Pablo", "Renée", "Stefan", "Teresa", "Viktor"]
LAST = ["Almeida", "Becker", "Conti", "Duval", "Eriksson", "Fischer", "García", "Hansen", "Ivanov", "Jansen",
        "Keller", "Lindqvist", "Moretti", "Novak", "Okafor", "Peeters", "Quint", "Rossi", "Schmidt", "Tanaka"]


def people(rolls, count):
    names = []
    while len(names) < count:
        name = f"{rolls.pick(FIRST)} {rolls.pick(LAST)}"
        if name not in names:
            names.append(name)
    return names


def products():
    rolls, rows, seen = Rolls(1), [], set()
    prices = {"chair": (39, 480), "table": (89, 1400), "lamp": (12, 260), "sofa": (349, 2400), "desk": (99, 900),
              "shelf": (25, 420)}
    while len(rows) < 96:
        category = rolls.pick(list(prices))
        color = rolls.pick(["red", "blue", "black", "white", "green", "grey"])
        material = rolls.pick(["velvet", "leather", "oak", "steel", "glass", "linen"])
        name = f"{color.title()} {material.title()} {category.title()}"
        if rolls.chance(30):
            name = rolls.pick(["Solveig", "Aurora", "Milo", "Tundra"]) + " " + name
        if name in seen:
            continue
        seen.add(name)
        low, high = prices[category]
        rows.append({
            "name": name, "category": category, "brand": rolls.pick(["Nordhem", "Oakline", "Lumaro", "Casa Bella", "Finch & Co"]),
            "color": color, "material": material, "price": rolls.between(low, high),
            "stock": 0 if rolls.chance(18) else rolls.between(1, 140),
            "rating": None if rolls.chance(15) else rolls.between(21, 50) / 10,
            "onSale": rolls.chance(30), "discontinued": rolls.chance(12),
            "tags": rolls.some(["outdoor", "ergonomic", "bestseller", "eco", "vintage", "foldable"], 3),
            "weight_kg": rolls.between(2, 180) / 2, "launchedAt": moment(rolls.day("2019-01-10", "2024-11-15")),
        })
    rows[0].update(name="Red Velvet Chair", category="chair", color="red", material="velvet", price=129)
    schema = {"name": TEXT, "category": TEXT, "brand": about(TEXT, "manufacturer of the product"), "color": TEXT,
              "material": TEXT, "price": about(NUMBER, "in dollars"), "stock": about(NUMBER, "units in the warehouse"),
              "rating": about(NUMBER, "average of customer reviews, 1 to 5"), "onSale": BOOLEAN, "discontinued": BOOLEAN,
              "tags": LIST, "weight_kg": NUMBER, "launchedAt": WHEN}
    return "productsTable", schema, rows


def employees():
    rolls = Rolls(2)
    names, rows = people(rolls, 120), []
    jobs = {"Engineering": ["Software Engineer", "Senior Engineer", "Data Scientist"], "IT": ["System Administrator", "Support Specialist"],
            "Sales": ["Account Manager", "Sales Representative"], "Marketing": ["Designer", "Content Writer"],
            "Human Resources": ["Recruiter", "Payroll Specialist"], "Finance": ["Accountant", "Controller"]}
    for at, name in enumerate(names):
        department = rolls.pick(list(jobs))
        rows.append({
            "name": name, "company": rolls.pick(["Acme", "Globex", "Initech", "Umbra Systems"]), "department": department,
            "jobTitle": rolls.pick(jobs[department]), "city": rolls.pick(["Rome", "Paris", "Berlin", "Madrid", "New York", "São Paulo"]),
            "salary": rolls.between(28000, 145000, 500), "age": rolls.between(21, 64),
            "hiredAt": moment(rolls.day("2012-02-01", "2024-11-18")), "remote": rolls.chance(35),
            "email": None if rolls.chance(12) else f"{name.split()[0].lower().replace('é', 'e')}.{at}@example.com",
            "manager": None if at < 6 or rolls.chance(8) else names[rolls.below(6)],
            "skills": rolls.some(["python", "rust", "excel", "sql", "photoshop", "negotiation", "kubernetes"], 4),
            "vacation_days": rolls.between(0, 30),
        })
    schema = {"name": TEXT, "company": TEXT, "department": TEXT, "jobTitle": TEXT, "city": TEXT,
              "salary": about(NUMBER, "gross per year"), "age": NUMBER, "hiredAt": WHEN, "remote": about(BOOLEAN, "works from home"),
              "email": TEXT, "manager": TEXT, "skills": LIST, "vacation_days": about(NUMBER, "days of holiday left")}
    return "employeesTable", schema, rows


def orders():
    rolls = Rolls(3)
    names, rows = people(rolls, 45), []
    homes = [(rolls.pick([("Lisbon", "Portugal"), ("Porto", "Portugal"), ("Vienna", "Austria"), ("Munich", "Germany"), ("Hamburg", "Germany"), ("Lyon", "France")]),
              rolls.pick(["gold", "silver", "basic"])) for _ in names]
    for at in range(140):
        who = rolls.below(len(names))
        (city, country), tier = homes[who]
        status = rolls.pick(["pending", "paid", "shipped", "delivered", "delivered", "cancelled", "refunded"])
        placed = rolls.day("2023-01-03", "2024-11-19")
        sent = status in ("shipped", "delivered", "refunded")
        rows.append({
            "orderNumber": f"ORD-{1001 + at}", "customer": {"name": names[who], "city": city, "country": country, "tier": tier},
            "status": status, "total": rolls.between(800, 95000) / 100, "itemCount": rolls.between(1, 14),
            "paymentMethod": rolls.pick(["credit card", "paypal", "bank transfer", "invoice"]),
            "channel": rolls.pick(["web", "phone", "store"]), "placedAt": moment(placed, 8 + rolls.below(12)),
            "shippedAt": moment(min(placed + timedelta(days=1 + rolls.below(9)), date(2024, 11, 19))) if sent else None,
            "discountCode": rolls.pick(["WELCOME10", "SUMMER24", "VIP"]) if rolls.chance(25) else None,
            "giftWrap": rolls.chance(20), "shippingCost": 0 if rolls.chance(30) else rolls.between(390, 2490, 100) / 100,
        })
    customer = {"type": "object", "properties": {"name": TEXT, "city": TEXT, "country": TEXT, "tier": TEXT}}
    schema = {"orderNumber": TEXT, "customer": customer, "status": TEXT, "total": about(NUMBER, "amount in euros"), "itemCount": NUMBER,
              "paymentMethod": TEXT, "channel": TEXT, "placedAt": about(WHEN, "when the customer ordered"), "shippedAt": WHEN,
              "discountCode": TEXT, "giftWrap": BOOLEAN, "shippingCost": NUMBER}
    return "ordersTable", schema, rows


def tickets():
    rolls, rows = Rolls(4), []
    agents = ["Priya Nair", "Tom Walsh", "Ines Laurent", "Kofi Mensah"]
    askers = people(rolls, 40)
    topics = [("Cannot log in after update", "The login page says my password is wrong since the update.", "login"),
              ("Refund not received", "I was promised a refund two weeks ago and the money is still not there.", "refund"),
              ("App crashes on start", "The app closes right after the splash screen on my phone.", "crash"),
              ("Invoice shows wrong amount", "The invoice for last month lists a service we cancelled.", "invoice"),
              ("Please add dark mode", "It would help to have a dark theme at night.", "feature-request"),
              ("Export takes forever", "A CSV export with 3000 rows does not finish; a timeout appears.", "performance"),
              ("Password reset email missing", "I asked for a password reset but no message arrives.", "login"),
              ("API returns error 500", "Every call to the search endpoint fails with error 500.", "crash")]
    for at in range(110):
        subject, body, tag = rolls.pick(topics)
        status = rolls.pick(["open", "in progress", "waiting", "resolved", "closed"])
        opened = rolls.day("2024-01-02", "2024-11-20")
        rows.append({
            "subject": subject, "body": body, "status": status, "priority": rolls.pick(["low", "normal", "high", "urgent"]),
            "assignee": None if rolls.chance(18) else rolls.pick(agents), "requester": rolls.pick(askers),
            "product": rolls.pick(["Mobile App", "Web Portal", "Billing", "API"]), "openedAt": moment(opened, 7 + rolls.below(11)),
            "resolvedAt": moment(min(opened + timedelta(days=rolls.below(12)), date(2024, 11, 20)), 18) if status in ("resolved", "closed") else None,
            "responseMinutes": rolls.between(2, 2900), "satisfaction": rolls.between(1, 5) if rolls.chance(55) else None,
            "escalated": rolls.chance(15), "tags": sorted({tag, *rolls.some(["vip", "billing", "bug"], 2)}),
        })
    schema = {"subject": TEXT, "body": TEXT, "status": TEXT, "priority": {**TEXT, "enum": ["low", "normal", "high", "urgent"]},
              "assignee": about(TEXT, "support agent who handles the ticket"), "requester": about(TEXT, "customer who wrote"), "product": TEXT,
              "openedAt": WHEN, "resolvedAt": WHEN, "responseMinutes": about(NUMBER, "time to first reply"),
              "satisfaction": about(NUMBER, "survey score, 1 to 5"), "escalated": BOOLEAN, "tags": LIST}
    return "supportTicketsTable", schema, rows


def events():
    rolls, rows, seen = Rolls(5), [], set()
    venues = {"Town Hall": ("Zurich", "Switzerland"), "Riverside Arena": ("Amsterdam", "Netherlands"), "Old Brewery": ("Prague", "Czechia"),
              "Harbour Club": ("Copenhagen", "Denmark"), "Congress Center": ("Geneva", "Switzerland")}
    kinds = {"conference": ["Data Days", "Cloud Summit", "Security Forum"], "workshop": ["Pottery Basics", "Rust for Beginners", "Bread Baking"],
             "concert": ["Jazz Night", "Symphony in Blue", "Rock the Dock"], "meetup": ["Founders Breakfast", "Python Users", "Board Games"],
             "festival": ["Food Truck Festival", "Light Parade", "Book Fair"]}
    while len(rows) < 90:
        kind = rolls.pick(list(kinds))
        start = rolls.day("2023-03-01", "2025-08-30")
        title = f"{rolls.pick(kinds[kind])} {start.year}"
        if rolls.chance(50):
            title += f" {rolls.pick(['Spring', 'Encore', 'Special', 'Open Air'])} Edition"
        if title in seen:
            continue
        seen.add(title)
        venue = rolls.pick(list(venues))
        capacity = rolls.between(20, 1200, 10)
        rows.append({
            "title": title, "eventType": kind, "venue": venue, "city": venues[venue][0], "country": venues[venue][1],
            "startDate": moment(start, 18), "endDate": moment(start + timedelta(days=rolls.below(4)), 22), "capacity": capacity,
            "attendees": rolls.between(0, capacity), "ticketPrice": 0 if rolls.chance(25) else rolls.between(5, 390, 5),
            "isOnline": rolls.chance(25), "language": rolls.pick(["English", "German", "French", "Danish"]),
            "organizer": rolls.pick(["Blue Finch Events", "City Council", "Techline", "Culture Works"]),
            "sponsors": rolls.some(["Novabank", "Zephyr Air", "Hallmark Tea", "Redline"], 3),
        })
    schema = {"title": TEXT, "eventType": TEXT, "venue": TEXT, "city": TEXT, "country": TEXT, "startDate": WHEN, "endDate": WHEN,
              "capacity": about(NUMBER, "seats"), "attendees": NUMBER, "ticketPrice": NUMBER, "isOnline": BOOLEAN, "language": TEXT,
              "organizer": TEXT, "sponsors": LIST}
    return "eventsTable", schema, rows


def homes():
    rolls, rows = Rolls(6), []
    places = {"Valencia": ["Ruzafa", "El Carmen"], "Bilbao": ["Abando", "Deusto"], "Seville": ["Triana", "Nervión"], "Málaga": ["Soho", "El Palo"]}
    streets = ["Calle Mayor", "Avenida del Puerto", "Calle Sol", "Plaza Nueva", "Calle Luna"]
    for _ in range(130):
        city = rolls.pick(list(places))
        kind = rolls.pick(["apartment", "house", "studio", "villa", "loft"])
        deal = rolls.pick(["for sale", "for sale", "for rent", "sold"])
        bedrooms = 0 if kind == "studio" else rolls.between(1, 6)
        rows.append({
            "address": f"{rolls.pick(streets)} {rolls.between(1, 180)}", "city": city, "neighborhood": rolls.pick(places[city]),
            "property_type": kind, "status": deal, "price": rolls.between(600, 3200, 50) if deal == "for rent" else rolls.between(85000, 1900000, 5000),
            "bedrooms": bedrooms, "bathrooms": rolls.between(1, 4), "area_sqm": rolls.between(28, 420), "year_built": rolls.between(1890, 2024),
            "floor": None if kind in ("house", "villa") else rolls.between(0, 12), "hasGarden": rolls.chance(30), "has_parking": rolls.chance(45),
            "furnished": rolls.chance(40), "petsAllowed": rolls.chance(50), "agent": None if rolls.chance(10) else rolls.pick(["Lucía Prats", "Marco Vidal", "Sofia Blanc"]),
            "features": rolls.some(["balcony", "pool", "fireplace", "elevator", "sea view", "terrace"], 3),
            "listedAt": moment(rolls.day("2023-05-01", "2024-11-20")),
        })
    schema = {"address": TEXT, "city": TEXT, "neighborhood": TEXT, "property_type": TEXT, "status": TEXT, "price": NUMBER, "bedrooms": NUMBER,
              "bathrooms": NUMBER, "area_sqm": about(NUMBER, "living space in square metres"), "year_built": NUMBER, "floor": NUMBER,
              "hasGarden": BOOLEAN, "has_parking": BOOLEAN, "furnished": BOOLEAN, "petsAllowed": BOOLEAN, "agent": TEXT, "features": LIST,
              "listedAt": WHEN}
    return "homesTable", schema, rows


for make in (products, employees, orders, tickets, events, homes):
    table, properties, rows = make()
    lines = [f'{{"table": "{table}", "schema": {json.dumps({"type": "object", "properties": properties}, ensure_ascii=False)}, "rows": [']
    lines += [json.dumps(row, ensure_ascii=False) + ("," if at + 1 < len(rows) else "") for at, row in enumerate(rows)]
    (HERE / f"{make.__name__}.json").write_text("\n".join(lines) + "\n]}\n", encoding="utf-8")
