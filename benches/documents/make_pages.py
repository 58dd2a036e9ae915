#!/usr/bin/env python3
"""Writes web pages of every kind with the main text each holds: make_pages.py DIR [pages per kind]

Pages are NAME.html, references NAME.ref.txt, the kind is the name's first word. The texts are original sentences
about a maker of household appliances that does not exist; the markup follows the habits of the software that
serves such pages: class names, sidebars, banners, user panels, related links. The same seed gives the same bytes.
"""
import html, os, random, sys

R = random.Random(7)
THINGS = ["washing machine", "tumble dryer", "dishwasher", "fridge", "induction hob", "oven", "extractor hood", "kettle",
          "coffee grinder", "vacuum cleaner", "heat pump", "freezer"]
PARTS = ["door seal", "drain pump", "control board", "filter", "inlet hose", "heating element", "drum bearing", "spray arm",
         "thermostat", "drive belt", "fan motor", "detergent drawer"]
PLACES = ["Lisbon", "Graz", "Aarhus", "Gdansk", "Turin", "Leeds", "Utrecht", "Porto", "Bergen", "Lyon"]
NAMES = ["maria_k", "boltsandnuts", "Henrik", "old_ferret", "Dunja", "prairie_dog", "s.okafor", "Lena77", "tinkerer", "QuietOwl"]
SAYINGS = [
    "The {t} stopped halfway through the programme and the {p} was warm to the touch.",
    "After cleaning the {p} with lukewarm water I ran an empty cycle at sixty degrees.",
    "In {c} the water is hard, so the {p} needs care about every third month.",
    "Nobody at the service desk could tell me whether the {p} of the {t} is still in stock.",
    "Turn the {t} off at the mains before you remove the {p}, and wait for ten minutes.",
    "We measured the power draw of the {t} for {n} weeks and saw a slow rise towards the end.",
    "A loose {p} makes a scraping noise that is often mistaken for a broken motor.",
    "The {t} was delivered to {c} on a rainy Thursday, two days earlier than promised.",
    "If the display shows E{n}, check the {p} first and only then call a technician.",
    "Our engineers in {c} redesigned the {p} so that it can be replaced without tools.",
    "It took me {n} minutes to swap the {p}, and the {t} has been silent since.",
    "Families with small children asked for a quieter {t}, and the new {p} answers that wish.",
    "Keep the receipt: the warranty on the {p} runs for {n} years from the day of purchase.",
    "The manual says otherwise, yet the {p} fits both the old and the new {t}.",
    "Last winter a workshop in {c} repaired {n} of these machines in a single month.",
    "Set the switch beside the {p} to position two when the {t} stands on a wooden floor.",
    "The colour of the {p} changes from grey to blue once it has to be replaced.",
    "Energy prices in {c} made many people think again about how they use the {t}.",
    "You can order the {p} under part number {n}{n}-{n}7, usually shipped within a day.",
    "My neighbour swears by vinegar, but the {p} of this {t} does not like acids.",
    "Every {t} leaves the works in {c} only after a test run of {n} hours.",
    "The {p} clicks into place with little force; if it does not, it is the wrong way round.",
]
MENU = ["Home", "Products", "Support", "Spare parts", "About us", "Careers", "Press", "Contact", "Dealers", "Blog"]


def sentence():
    return R.choice(SAYINGS).format(t=R.choice(THINGS), p=R.choice(PARTS), c=R.choice(PLACES), n=R.randint(2, 48))


def para(low=2, high=5):
    return " ".join(sentence() for _ in range(R.randint(low, high)))


def title():
    forms = ["How to care for the {p} of your {t}", "Why the {t} hums at night", "{t} loses water at the {p}",
             "Choosing a {t} for a small kitchen", "Replacing the {p} in {n} steps", "A visit to the works in {c}"]
    text = R.choice(forms).format(t=R.choice(THINGS), p=R.choice(PARTS), c=R.choice(PLACES), n=R.randint(3, 9))
    return text[0].upper() + text[1:]


class Page:
    def __init__(self):
        self.ref = []

    def keep(self, text):
        self.ref.append(text)
        return html.escape(text)


def nav(tag="nav", cls="main-nav"):
    links = "".join(f'<li class="menu-item"><a href="/{m.lower().replace(" ", "-")}">{m}</a></li>' for m in R.sample(MENU, 7))
    return f'<{tag} class="{cls}"><ul class="menu">{links}</ul></{tag}>'


def header():
    return (f'<header class="site-header"><a class="logo" href="/">Marlund</a>{nav()}'
            '<form class="search-form"><input name="q"><button>Search</button></form></header>')


def footer():
    return ('<footer class="site-footer"><div class="widget"><h4>Company</h4>' + nav("div", "footer-links") +
            '</div><p class="copyright">© 2026 Marlund Appliances. All rights reserved.</p><p>Terms of use · Privacy policy</p></footer>')


def cookies():
    return ('<div id="cookie-banner" class="cookie-consent"><p>We use cookies to improve your experience on our site. By continuing '
            'you agree to our use of cookies.</p><button>Accept all</button><button>Settings</button></div>')


def related(cls="related-posts", n=4):
    cards = "".join(f'<div class="card"><a href="#"><h4>{html.escape(title())}</h4></a><p class="excerpt">{html.escape(sentence())}</p></div>'
                    for _ in range(n))
    return f'<section class="{cls}"><h3>You may also like</h3>{cards}</section>'


def newsletter():
    return ('<div class="newsletter-signup"><h3>Stay in the loop</h3><p>Subscribe to our newsletter and never miss an offer.</p>'
            '<form><input type="email"><button>Subscribe</button></form></div>')


def share():
    return '<div class="social-share"><a href="#">Share on Facebook</a><a href="#">Tweet</a><a href="#">Pin it</a></div>'


def whole(name, head, body, cls="", extra=""):
    return (f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(head)} | Marlund</title>'
            f'<meta name="description" content="{html.escape(head)}">{extra}<style>body{{margin:0}}</style>'
            f'<script>window.dataLayer=[];</script></head><body class="{cls}">{body}<script>track("x")</script></body></html>')


def article(p, kind):
    head = title()
    out = [f'<h1 class="entry-title">{p.keep(head)}</h1>']
    meta = f'<div class="entry-meta"><span class="author">By Ada Holm</span> <time datetime="2026-03-0{R.randint(1, 9)}">March 2026</time> <span>5 min read</span></div>'
    for _ in range(R.randint(2, 4)):
        out += [f"<p>{p.keep(para())}</p>" for _ in range(R.randint(2, 3))]
        out.append(f"<h2>{p.keep(title())}</h2>")
        out.append(f"<p>{p.keep(para())}</p>")
        if R.random() < .4:
            out.append("<ul>" + "".join(f"<li>{p.keep(sentence())}</li>" for _ in range(4)) + "</ul>")
        if R.random() < .3:
            out.append(f"<blockquote><p>{p.keep(sentence())}</p></blockquote>")
    comments = ('<section id="comments" class="comments-area"><h2>3 thoughts</h2><ol class="comment-list">' +
                "".join(f'<li class="comment"><cite class="fn">{R.choice(NAMES)}</cite><div class="comment-content"><p>{html.escape(sentence())}</p></div>'
                        '<a class="comment-reply-link">Reply</a></li>' for _ in range(3)) + "</ol></section>")
    sidebar = (f'<aside id="secondary" class="sidebar widget-area"><div class="widget"><h3>Recent posts</h3><ul>' +
               "".join(f"<li><a>{html.escape(title())}</a></li>" for _ in range(5)) + f"</ul></div>{newsletter()}</aside>")
    body = "".join(out)
    if kind % 3 == 0:
        main = f'<main id="main"><article class="post hentry"><header class="entry-header">{out[0]}{meta}</header><div class="entry-content">{"".join(out[1:])}{share()}</div></article>{related()}{comments}</main>{sidebar}'
    elif kind % 3 == 1:
        main = f'<div class="container"><div class="row"><div class="col-md-8 story-body">{out[0]}{meta}{share()}{"".join(out[1:])}<div class="tags">Tags: <a>care</a> <a>repair</a></div></div><div class="col-md-4 right-rail">{related("trending")}{sidebar}</div></div>{comments}</div>'
    else:
        main = f'<div id="root"><div class="css-1x2y3">{out[0]}<div class="css-9k">{meta}</div>{"".join(out[1:])}</div><div class="css-7q">{related("css-rel")}</div></div>'
    return head, cookies() + header() + main + newsletter() + footer(), ""


def forum(p, kind):
    head = title()
    posts = []
    for at in range(R.randint(3, 9)):
        text = [para(1, 4) for _ in range(R.randint(1, 2))]
        quote = sentence() if at and R.random() < .3 else None
        posts.append((R.choice(NAMES), text, quote))
    keep = lambda texts: "".join(f"<p>{p.keep(t)}</p>" for t in texts)
    flat = lambda texts: "<br><br>".join(p.keep(t) for t in texts)
    kind %= 8
    h1 = lambda cls="": f'<h1 class="{cls}">{p.keep(head)}</h1>'
    if kind == 0:  # phpBB
        body = f'<h2 class="topic-title"><a>{p.keep(head)}</a></h2><div class="action-bar"><a>Post Reply</a> {len(posts)} posts • Page <strong>1</strong> of <strong>1</strong></div>'
        for at, (who, text, quote) in enumerate(posts):
            q = f'<blockquote><div><cite>{who} wrote:</cite>{p.keep(quote)}</div></blockquote>' if quote else ""
            body += (f'<div id="p{at}" class="post has-profile bg{at % 2}"><div class="inner"><dl class="postprofile"><dt><a class="username">{who}</a></dt><dd class="profile-rank">Senior member</dd><dd class="profile-posts"><strong>Posts:</strong> {R.randint(1, 900)}</dd><dd class="profile-joined"><strong>Joined:</strong> 12 May 2019</dd></dl>'
                     f'<div class="postbody"><div><h3><a href="#p{at}">Re: {html.escape(head)}</a></h3><ul class="post-buttons"><li><a>Quote</a></li></ul><p class="author"><a>Post</a> by <strong>{who}</strong> » 3 Mar 2026, 10:2{at}</p><div class="content">{q}{flat(text)}</div><div id="sig{at}" class="signature">Measure twice, cut once.</div></div></div><div class="back2top"><a>Top</a></div></div></div>')
        body = f'<div id="wrap"><div id="page-header" class="headerbar"><ul class="linklist"><li><a>Quick links</a></li><li><a>FAQ</a></li><li><a>Register</a></li></ul></div><div id="page-body">{body}<div class="action-bar bar-bottom"><a>Return to “Repairs”</a></div><h3>Who is online</h3><p>Users browsing this forum: no registered users and 3 guests</p></div><div id="page-footer" class="page-footer">Powered by forum software</div></div>'
        return head, body, ""
    if kind == 1:  # XenForo
        body = f'<div class="p-title">{h1("p-title-value")}</div><div class="p-description"><ul class="listInline"><li>Thread starter <a>{posts[0][0]}</a></li><li>Start date <time>Mar 3, 2026</time></li></ul></div><div class="block block--messages">'
        for who, text, quote in posts:
            q = f'<blockquote class="bbCodeBlock bbCodeBlock--quote"><div class="bbCodeBlock-title">{who} said:</div><div class="bbCodeBlock-content">{p.keep(quote)}</div></blockquote>' if quote else ""
            body += (f'<article class="message message--post js-post"><div class="message-inner"><div class="message-cell message-cell--user"><section class="message-user"><h4 class="message-name"><a class="username">{who}</a></h4><h5 class="userTitle message-userTitle">Well-known member</h5><div class="message-userExtras"><dl class="pairs"><dt>Joined</dt><dd>Jan 4, 2020</dd></dl><dl class="pairs"><dt>Messages</dt><dd>{R.randint(3, 999)}</dd></dl></div></section></div>'
                     f'<div class="message-cell message-cell--main"><header class="message-attribution"><ul><li><a><time>Mar 3, 2026</time></a></li></ul><ul class="message-attribution-opposite"><li><a>#{R.randint(1, 9)}</a></li></ul></header><div class="message-content"><div class="message-userContent"><article class="message-body"><div class="bbWrapper">{q}{flat(text)}</div></article></div></div><footer class="message-footer"><a class="actionBar-action">Reply</a><div class="reactionsBar">Likes: {R.choice(NAMES)}</div></footer></div></div></article>')
        body = f'<div class="p-pageWrapper"><header class="p-header">Marlund Forums</header><nav class="p-nav"><a>Forums</a><a>What is new</a><a>Log in</a></nav><div class="p-body">{body}</div><div class="block"><h3>Similar threads</h3><div class="structItem"><a>{html.escape(title())}</a></div><div class="structItem"><a>{html.escape(title())}</a></div></div></div></div><footer class="p-footer">Contact us Terms and rules Privacy policy Help</footer></div>'
        return head, body, '<meta property="og:url" content="https://forum.marlund.example/threads/x.1/">'
    if kind == 2:  # Discourse (crawler view)
        body = ""
        for at, (who, text, quote) in enumerate(posts):
            q = f'<aside class="quote"><div class="title">{who}:</div><blockquote><p>{p.keep(quote)}</p></blockquote></aside>' if quote else ""
            body += (f'<div id="post_{at + 1}" class="topic-body crawler-post"><div class="crawler-post-meta"><span class="creator"><a><span itemprop="name">{who}</span></a></span><span class="crawler-post-infos"><time>March 3, 2026, 10:1{at}am</time><span itemprop="position">{at + 1}</span></span></div>'
                     f'<div class="post" itemprop="text">{q}{keep(text)}</div><div itemprop="interactionStatistic"><span class="post-likes">{R.randint(1, 5)} Likes</span></div></div>')
        body = f'<header><a href="/">Marlund Community</a></header><div id="main-outlet" class="wrap"><div id="topic-title">{h1()}<div class="topic-category"><span class="category-name">Repairs</span></div></div><div itemscope itemtype="http://schema.org/DiscussionForumPosting">{body}</div><div id="related-topics" class="more-topics__list"><h3>Related topics</h3><table class="topic-list"><tr><th>Topic</th><th>Replies</th><th>Views</th></tr><tr><td><a>{html.escape(title())}</a></td><td>3</td><td>812</td></tr></table></div></div><footer class="container"><nav class="crawler-nav"><ul><li><a>Home</a></li><li><a>Categories</a></li><li><a>Guidelines</a></li></ul></nav></footer>'
        return head, body, '<meta name="generator" content="Discourse 3.2.0">'
    if kind == 3:  # question and answers
        body = f'<div id="question-header">{h1("fs-headline1")}<a class="s-btn">Ask Question</a></div><div class="d-flex">Asked 2 years ago · Modified today · Viewed 12k times</div>'
        for at, (who, text, quote) in enumerate(posts):
            cls = "question" if at == 0 else "answer"
            comments = "".join(f'<li class="comment"><div class="comment-body"><span class="comment-copy">{p.keep(sentence())}</span> – <a class="comment-user">{R.choice(NAMES)}</a> <span class="comment-date">Mar 3 at 9:10</span></div></li>' for _ in range(R.randint(0, 2)))
            body += (f'<div class="{cls} js-{cls}"><div class="post-layout"><div class="votecell"><div class="js-voting-container"><div class="js-vote-count">{R.randint(0, 90)}</div></div></div><div class="postcell post-layout--right"><div class="s-prose js-post-body">{keep(text)}</div><div class="post-menu"><a>Share</a><a>Improve this {cls}</a><button>Follow</button></div><div class="user-info"><div class="user-action-time">answered Mar 3</div><div class="user-details"><a>{who}</a><span class="reputation-score">1,204</span></div></div></div><div class="comments"><ul class="comments-list">{comments}</ul></div></div></div>')
        body = header() + f'<div class="container"><div id="left-sidebar">{nav("div", "left-nav")}</div><div id="content"><div id="mainbar">{body}<h2>Your Answer</h2><form class="post-form">Sign up or log in</form></div><div id="sidebar"><div class="module sidebar-related"><h4>Related</h4>' + "".join(f'<div class="spacer"><a>{html.escape(title())}</a></div>' for _ in range(6)) + '</div><div class="s-sidebarwidget">The Overflow Blog</div></div></div></div>' + footer()
        return head, body, ""
    if kind == 4:  # threaded link board with tables
        body = f'<table class="fatitem"><tr class="athing"><td class="title"><span class="titleline"><a>{p.keep(head)}</a></span></td></tr><tr><td class="subtext"><span class="score">{R.randint(9, 400)} points</span> by <a class="hnuser">{posts[0][0]}</a> <span class="age">3 hours ago</span> | <a>hide</a> | <a>{len(posts)} comments</a></td></tr></table><table class="comment-tree">'
        for who, text, quote in posts:
            body += (f'<tr class="athing comtr"><td><table><tr><td class="ind"></td><td class="votelinks"></td><td class="default"><div class="comhead"><a class="hnuser">{who}</a> <span class="age">2 hours ago</span> <span class="navs">| <a>parent</a> | <a>next</a> [–]</span></div><div class="comment"><div class="commtext c00">{p.keep(text[0])}' + "".join(f"<p>{p.keep(t)}" for t in text[1:]) + '</div><div class="reply"><p><font size="1"><u><a>reply</a></u></font></div></div></td></tr></table></td></tr>')
        body = f'<center><table id="hnmain"><tr><td><span class="pagetop"><b>Marlund News</b> <a>new</a> | <a>past</a> | <a>comments</a> | <a>ask</a></span></td></tr><tr><td>{body}</table></td></tr><tr><td><center><span class="yclinks"><a>Guidelines</a> | <a>FAQ</a> | <a>Contact</a></span></center></td></tr></table></center>'
        return head, body, ""
    if kind == 5:  # vBulletin 4 style lists
        body = f'<div id="pagetitle" class="pagetitle"><h1><span class="threadtitle"><a>{p.keep(head)}</a></span></h1></div><ol id="posts" class="posts">'
        for at, (who, text, quote) in enumerate(posts):
            q = f'<div class="bbcode_container"><div class="bbcode_quote"><div class="quote_container"><div class="bbcode_postedby">Originally Posted by <strong>{who}</strong></div><div class="message">{p.keep(quote)}</div></div></div></div>' if quote else ""
            body += (f'<li class="postbitlegacy postbitim postcontainer"><div class="posthead"><span class="postdate">03-03-2026, 10:0{at} AM</span><span class="nodecontrols"><a class="postcounter">#{at + 1}</a></span></div><div class="postdetails"><div class="userinfo"><div class="username_container"><a class="username">{who}</a></div><span class="usertitle">Senior Member</span><dl class="userinfo_extra"><dt>Join Date</dt><dd>May 2015</dd><dt>Posts</dt><dd>{R.randint(10, 2000)}</dd></dl></div><div class="postbody"><div class="postrow"><h2 class="title icon">Re: {html.escape(head)}</h2><div class="content"><blockquote class="postcontent restore">{q}{flat(text)}</blockquote></div></div><blockquote class="signature restore"><div class="signaturecontainer">Happy owner of three machines</div></blockquote></div></div><div class="postfoot"><a>Reply With Quote</a></div></li>')
        body = f'<div class="above_body"><div id="header" class="floatcontainer"><ul class="nouser"><li><a>Register</a></li><li><a>Help</a></li></ul></div><div id="navbar" class="navbar"><ul id="navtabs"><li><a>Forum</a></li><li><a>What is New?</a></li></ul></div></div><div class="body_wrapper"><div id="breadcrumb" class="breadcrumb"><a>Forum</a> <a>Repairs</a></div>{body}</ol><div class="navpopupmenu"><a>Quick Navigation</a></div><div class="forumrules"><h6>Posting Permissions</h6><ul><li>You <strong>may not</strong> post new threads</li><li>You <strong>may not</strong> post replies</li></ul></div></div><div id="footer" class="floatcontainer footer">All times are GMT +1.</div>'
        return head, body, ""
    if kind == 6:  # old link board, nested comments
        body = f'<div class="thing link self"><div class="entry"><p class="title"><a class="title">{p.keep(head)}</a></p><p class="tagline">submitted <time>3 hours ago</time> by <a class="author">{posts[0][0]}</a></p><div class="expando"><div class="usertext-body md-container"><div class="md">{keep(posts[0][1])}</div></div></div><ul class="flat-list buttons"><li><a>{len(posts)} comments</a></li><li><a>share</a></li><li><a>save</a></li></ul></div></div><div class="commentarea"><div class="panestack-title"><span class="title">all {len(posts)} comments</span></div><div class="sitetable nestedlisting">'
        for who, text, quote in posts[1:]:
            body += f'<div class="thing comment noncollapsed"><div class="entry unvoted"><p class="tagline"><a class="author">{who}</a> <span class="score">{R.randint(1, 60)} points</span> <time>2 hours ago</time></p><form class="usertext"><div class="usertext-body"><div class="md">{keep(text)}</div></div></form><ul class="flat-list buttons"><li><a>permalink</a></li><li><a>embed</a></li><li><a>save</a></li></ul></div></div>'
        body = f'<div id="header"><div id="sr-header-area">my subreddits home popular all</div><ul class="tabmenu"><li><a>comments</a></li></ul></div><div class="side"><div class="spacer"><div class="titlebox"><h1 class="hover redditname"><a>appliances</a></h1><span class="subscribers">32,411 readers</span><div class="usertext-body"><div class="md"><p>Welcome to the place for broken machines. Be kind and read the rules before you post.</p></div></div></div></div></div><div class="content">{body}</div></div></div><div class="footer-parent">about blog advertise careers</div>'
        return head, body, ""
    # own software, few hints
    body = f'<div class="thread">{h1()}'
    for who, text, quote in posts:
        body += f'<div class="entry"><div class="who"><img alt=""><b>{who}</b><span>Level 4</span><span>{R.randint(2, 800)} entries</span></div><div class="what"><div class="when">yesterday at 10:1{R.randint(0, 9)}</div><div class="text">{keep(text)}</div><div class="acts"><a>Like</a> <a>Answer</a> <a>Report</a></div></div></div>'
    return head, header() + f'<div class="cols"><div class="left">{body}</div><div class="login-box">Log in to answer. New here? Register</div></div><div class="box right"><h3>Popular topics</h3>' + "".join(f"<a>{html.escape(title())}</a><br>" for _ in range(5)) + "</div></div>" + footer(), ""


def documentation(p, kind):
    head = title()
    out = [f'<h1>{p.keep(head)}</h1>', f"<p>{p.keep(para())}</p>"]
    for _ in range(R.randint(2, 5)):
        out.append(f'<h2 id="x">{p.keep(title())}<a class="headerlink" href="#x">¶</a></h2><p>{p.keep(para())}</p>')
        if R.random() < .6:
            code = "\n".join(f"{R.choice(['set', 'get', 'run'])} {R.choice(PARTS).replace(' ', '_')} --level {R.randint(1, 9)}" for _ in range(3))
            out.append(f'<div class="highlight-default notranslate"><div class="highlight"><pre>{p.keep(code)}</pre></div></div>')
        if R.random() < .4:
            rows = [[f"opt{R.randint(1, 99)}", sentence()] for _ in range(4)]
            out.append("<table class='docutils'><thead><tr><th>" + p.keep("Option") + "</th><th>" + p.keep("Meaning") + "</th></tr></thead><tbody>" + "".join(f"<tr><td><code>{p.keep(a)}</code></td><td>{p.keep(b)}</td></tr>" for a, b in rows) + "</tbody></table>")
        if R.random() < .4:
            out.append(f'<div class="admonition note"><p class="admonition-title">{p.keep("Note")}</p><p>{p.keep(sentence())}</p></div>')
    toc = "".join(f'<li class="toctree-l1"><a class="reference internal">{html.escape(title())}</a></li>' for _ in range(14))
    body = "".join(out)
    kind %= 4
    if kind == 0:
        page = f'<div class="wy-grid-for-nav"><nav class="wy-nav-side"><div class="wy-side-scroll"><div class="wy-menu wy-menu-vertical"><p class="caption">Contents</p><ul>{toc}</ul></div></div></nav><section class="wy-nav-content-wrap"><div class="wy-nav-content"><div class="rst-content"><div role="navigation"><ul class="wy-breadcrumbs"><li><a>Home</a></li><li>{html.escape(head)}</li><li class="wy-breadcrumbs-aside"><a>View page source</a></li></ul></div><div role="main" class="document"><div itemprop="articleBody"><section id="s">{body}</section></div></div><footer><div class="rst-footer-buttons" role="navigation"><a>Previous</a><a>Next</a></div><p>© Copyright 2026, Marlund.</p>Built with Sphinx using a theme.</footer></div></div></section></div>'
    elif kind == 1:
        page = header() + f'<div class="main-wrapper docs-wrapper"><aside class="theme-doc-sidebar-container"><nav class="menu"><ul class="theme-doc-sidebar-menu">{toc}</ul></nav></aside><main class="docMainContainer"><div class="row"><div class="col docItemCol"><nav class="theme-doc-breadcrumbs"><ul><li>Docs</li><li>Guides</li></ul></nav><article><div class="theme-doc-markdown markdown">{body}</div><footer class="theme-doc-footer"><a>Edit this page</a> Last updated on Mar 3, 2026</footer></article><nav class="pagination-nav"><a>Previous Install</a><a>Next Upgrade</a></nav></div><div class="col col--3"><div class="tableOfContents"><ul><li><a>{html.escape(title())}</a></li><li><a>{html.escape(title())}</a></li></ul></div></div></div></main></div>' + footer()
    elif kind == 2:
        page = f'<header class="md-header"><nav class="md-header__inner"><a>Marlund</a></nav></header><div class="md-container"><main class="md-main"><div class="md-main__inner md-grid"><div class="md-sidebar md-sidebar--primary"><nav class="md-nav"><ul class="md-nav__list">{toc}</ul></nav></div><div class="md-sidebar md-sidebar--secondary"><nav class="md-nav md-nav--secondary"><label>Table of contents</label><ul><li>{html.escape(title())}</li></ul></nav></div><div class="md-content"><article class="md-content__inner md-typeset">{body}</article></div></div></main><footer class="md-footer"><nav><a>Previous</a><a>Next</a></nav>Made with a static generator</footer></div>'
    else:
        page = f'<div class="related"><h3>Navigation</h3><ul><li class="right"><a>index</a></li><li><a>next</a> |</li><li><a>Marlund 3.2 documentation</a> »</li></ul></div><div class="document"><div class="documentwrapper"><div class="bodywrapper"><div class="body" role="main">{body}</div></div></div><div class="sphinxsidebar" role="navigation"><div class="sphinxsidebarwrapper"><h3>Table of Contents</h3><ul>{toc}</ul><h4>Previous topic</h4><p><a>{html.escape(title())}</a></p><div role="note"><h3>This Page</h3><ul class="this-page-menu"><li><a>Show Source</a></li></ul></div></div></div></div><div class="footer">© Copyright 2026. Last updated on Mar 03, 2026.</div>'
    return head, page, ""


def product(p, kind):
    head = f"Marlund {R.choice(['Brook', 'Tarn', 'Cinder', 'Ember'])} {R.randint(200, 900)} {R.choice(THINGS)}"
    price = f"€{R.randint(99, 999)}.00"
    top = f'<h1 class="product_title product-title">{p.keep(head)}</h1><p class="price">{p.keep(price)}</p><div class="short-description"><p>{p.keep(para(1, 2))}</p></div>'
    buy = '<form class="cart"><div class="quantity"><label>Quantity</label><input value="1"></div><button class="add-to-cart">Add to cart</button></form><ul class="perks"><li>Free delivery</li><li>30 days return</li></ul>'
    feats = "<ul>" + "".join(f"<li>{p.keep(sentence())}</li>" for _ in range(4)) + "</ul>"
    desc = f'<h2>{p.keep("Description")}</h2>' + "".join(f"<p>{p.keep(para())}</p>" for _ in range(R.randint(1, 3)))
    rows = "".join(f"<tr><th>{p.keep(k)}</th><td>{p.keep(v)}</td></tr>" for k, v in [("Width", f"{R.randint(40, 70)} cm"), ("Noise", f"{R.randint(38, 60)} dB"), ("Energy class", "B"), ("Warranty", f"{R.randint(2, 5)} years"), ("Colour", R.choice(["white", "steel", "black"]))])
    spec = f'<h2>{p.keep("Specifications")}</h2><table class="shop_attributes">{rows}</table>'
    rel = related("related products", 4)
    kind %= 3
    if kind == 0:
        body = f'<div class="woocommerce"><nav class="woocommerce-breadcrumb">Home / Shop / {head}</nav><div class="product type-product"><div class="woocommerce-product-gallery"></div><div class="summary entry-summary">{top}{buy}<div class="product_meta">SKU: M-{R.randint(100, 999)} Category: <a>Kitchen</a></div></div><div class="woocommerce-tabs"><ul class="tabs"><li><a>Description</a></li><li><a>Additional information</a></li></ul><div class="panel" id="tab-description">{desc}{feats}</div><div class="panel">{spec}</div></div>{rel}</div></div>'
    elif kind == 1:
        body = f'<main id="MainContent"><section class="shopify-section"><div class="product grid"><div class="product__media-wrapper"></div><div class="product__info-wrapper">{top}{buy}<div class="product__description rte">{desc}{feats}</div><details><summary>Specs</summary>{spec}</details></div></div></section><section class="product-recommendations">{rel}</section></main>'
    else:
        body = f'<div id="dp"><div id="centerCol">{top}<div id="feature-bullets">{feats}</div></div><div id="rightCol"><div id="buybox">{buy}</div></div><div id="productDescription">{desc}</div><div id="prodDetails">{spec}</div><div id="sims-consolidated"><h2>Customers also viewed</h2>{rel}</div></div>'
    return head, cookies() + header() + body + newsletter() + footer(), '<meta property="og:type" content="product">'


def service(p, kind):
    head = R.choice(["Repairs at your doorstep", "Maintenance plans for landlords", "Appliance rental without worries", "Installation by our own people"])
    def block(cls):
        return f'<section class="{cls}"><div class="container"><h2>{p.keep(title())}</h2><p>{p.keep(para(1, 3))}</p></div></section>'
    def cards(cls, n):
        return f'<section class="{cls}"><div class="container"><h2>{p.keep(title())}</h2><div class="row">' + "".join(f'<div class="col card"><h3>{p.keep(title())}</h3><p>{p.keep(sentence())}</p></div>' for _ in range(n)) + "</div></div></section>"
    faq = f'<section class="faq"><h2>{p.keep("Questions we hear often")}</h2>' + "".join(f'<div class="accordion-item"><button class="accordion-button">{p.keep(title())}?</button><div class="accordion-body"><p>{p.keep(para(1, 2))}</p></div></div>' for _ in range(4)) + "</section>"
    quote = f'<section class="testimonials"><h2>{p.keep("What customers say")}</h2>' + "".join(f'<blockquote><p>{p.keep(sentence())}</p><cite>{p.keep(R.choice(PLACES))}</cite></blockquote>' for _ in range(3)) + "</section>"
    hero = f'<section class="hero"><h1>{p.keep(head)}</h1><p class="lead">{p.keep(sentence())}</p><a class="btn btn-primary">Get started</a></section>'
    cta = '<section class="cta"><a class="btn">Book a visit</a></section>'
    parts = [cards("features", R.choice([3, 4, 6])), block("about-section"), quote, faq, block("how-it-works")]
    # Section order is theirs, so the reference keeps words and not their order here.
    body = hero + "".join(parts) + cta
    if kind % 2:
        body = f'<div id="page" class="elementor"><div class="elementor-section-wrap">{body}</div></div>'
    else:
        body = f"<main>{body}</main>"
    return head, header() + body + newsletter() + footer() + cookies(), ""


def collection(p, kind):
    head = R.choice(THINGS).capitalize() + "s"
    intro = para(1, 3)
    items = "".join(f'<li class="product grid__item"><a href="#"><img alt=""><h2 class="product-card__title">{p.keep("Marlund " + str(R.randint(100, 999)) + " " + R.choice(THINGS))}</h2></a><span class="price">{p.keep("€" + str(R.randint(50, 900)))}</span><button>Add to cart</button></li>' for _ in range(R.randint(8, 16)))
    filters = '<aside class="filters sidebar"><h3>Filter by</h3><ul><li><a>White (12)</a></li><li><a>Steel (4)</a></li><li><a>Under €300 (9)</a></li></ul></aside>'
    tail = f'<div class="category-description"><h2>{p.keep(title())}</h2><p>{p.keep(para())}</p></div>' if kind % 2 else ""
    body = f'<div class="container"><nav class="breadcrumb">Home / Shop</nav><h1>{p.keep(head)}</h1><div class="term-description"><p>{p.keep(intro)}</p></div>{filters}<div class="toolbar"><span>Sort by: popularity</span> <span>Showing 1–16 of 40 results</span></div><ul class="products product-grid">{items}</ul><nav class="pagination"><a>1</a><a>2</a><a>Next</a></nav>{tail}</div>'
    return head, header() + body + newsletter() + footer(), ""


def listing(p, kind):
    head = R.choice(["News from the works", "Workshop diary", "Care and repair", "Press releases"])
    items = ""
    for _ in range(R.randint(6, 10)):
        items += f'<article class="post-card"><h2 class="post-card-title"><a href="#">{p.keep(title())}</a></h2><div class="post-card-meta">3 March 2026 · Ada Holm</div><p class="post-card-excerpt">{p.keep(para(1, 2))}</p><a class="read-more">Read more</a></article>'
    sidebar = '<aside class="sidebar"><h3>Archives</h3><ul><li><a>March 2026</a></li><li><a>February 2026</a></li></ul><h3>Categories</h3><ul><li><a>Repair</a></li></ul></aside>'
    body = f'<main class="archive"><h1 class="page-title">{p.keep(head)}</h1><div class="post-feed">{items}</div><nav class="pagination"><a>Older posts</a></nav></main>{sidebar}'
    return head, header() + body + footer(), ""


KINDS = [article, forum, documentation, product, service, collection, listing]


def main():
    folder, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 8
    os.makedirs(folder, exist_ok=True)
    for make in KINDS:
        for number in range(count):
            p = Page()
            head, body, extra = make(p, number)
            name = os.path.join(folder, f"{make.__name__}-{number}")
            with open(name + ".html", "w") as out:
                out.write(whole(name, head, body, extra=extra))
            with open(name + ".ref.txt", "w") as out:
                out.write("\n".join(p.ref) + "\n")


if __name__ == "__main__":
    main()
