// The rules of accessibility that matter for these pages, after WCAG 2.2 AA. The
// value is a list of sentences, one for each place that breaks a rule.
(() => {
  "use strict";
  const problems = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const named = (e) => `<${e.tagName.toLowerCase()}${e.id ? "#" + e.id : ""}> "${(e.innerText || e.value || "").trim().replace(/\s+/g, " ").slice(0, 40)}"`;
  const rule = (ok, e, what) => { if (!ok) problems.push(`${e ? named(e) + ": " : ""}${what}`); };
  const shown = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const texts = (ids) => (ids || "").split(/\s+/).filter(Boolean).map((id) => document.getElementById(id));
  const labelled = (e) => e.getAttribute("aria-label") || texts(e.getAttribute("aria-labelledby")).map((x) => x ? x.textContent : "").join(" ");
  const nameOf = (e) => (labelled(e) || e.textContent + [...e.querySelectorAll("img")].map((i) => i.alt).join(" ")).trim();

  // The document and its structure.
  rule(/^[a-z]{2}/.test(document.documentElement.lang), null, "the document has no language");
  rule(document.title.trim() !== "", null, "the document has no title");
  const viewport = document.querySelector("meta[name=viewport]");
  rule(viewport && !/user-scalable\s*=\s*no|maximum-scale/.test(viewport.content), null, "the page cannot be zoomed");
  rule(all("main").length === 1, null, "there must be one main landmark");
  const headings = all("h1,h2,h3,h4,h5,h6").filter(shown);
  rule(headings.filter((h) => h.tagName === "H1").length === 1, null, "there must be one h1");
  let level = 0;
  for (const h of headings) {
    const now = Number(h.tagName[1]);
    rule(now <= level + 1, h, `a heading of level ${now} follows one of level ${level}`);
    rule(h.textContent.trim() !== "", h, "a heading is empty");
    level = now;
  }
  for (const e of document.body.children) {
    rule(e.matches("header,main,footer,nav,script,[role=status],a.skip") || !shown(e), e, "it is outside of all landmarks");
  }
  const landmarks = new Set();
  for (const e of all("nav,[role=region],[role=search],section[aria-label],section[aria-labelledby],form[aria-label]")) {
    const name = `${e.getAttribute("role") || e.tagName} ${labelled(e)}`.replace("SECTION", "region");
    rule(!landmarks.has(name), e, "two landmarks of the same kind have the same name");
    landmarks.add(name);
  }
  const skip = document.querySelector("a[href^='#']");
  rule(skip && document.querySelector(skip.getAttribute("href")), skip, "there is no link that skips to the content");
  const ids = all("[id]").map((e) => e.id);
  ids.filter((id, i) => ids.indexOf(id) !== i).forEach((id) => problems.push(`the id ${id} is not unique`));
  all("[aria-labelledby],[aria-describedby],[aria-controls]").forEach((e) => {
    for (const attribute of ["aria-labelledby", "aria-describedby", "aria-controls"]) {
      rule(texts(e.getAttribute(attribute)).every(Boolean), e, `${attribute} points to nothing`);
    }
  });
  all("label[for]").forEach((e) => rule(document.getElementById(e.htmlFor), e, "a label belongs to nothing"));
  all("[tabindex]").forEach((e) => rule(e.tabIndex <= 0, e, "a positive tabindex changes the order"));
  all("[autofocus]").forEach((e) => rule(e.getAttribute("aria-invalid") === "true", e, "the focus is taken, and not to the first mistake"));
  all("[role=img],img,svg").forEach((e) => rule(e.hasAttribute("alt") || e.getAttribute("aria-hidden") === "true" || e.getAttribute("aria-label"), e, "an image has no alternative"));
  all("ul,ol").forEach((e) => rule([...e.children].every((c) => c.matches("li")), e, "a list has children that are no items"));
  all("dl").forEach((e) => rule([...e.children].every((c) => c.matches("dt,dd,div")), e, "a list of terms has other children"));
  all("table").forEach((e) => {
    rule(e.caption || e.getAttribute("aria-label") || e.getAttribute("aria-labelledby"), e, "a table has no caption");
    rule(e.querySelector("th"), e, "a table has no header");
  });
  all("th").forEach((e) => {
    rule(["col", "row"].includes(e.scope), e, "a table header has no scope");
    rule(e.textContent.trim() !== "", e, "a table header is empty");
  });

  // What people use.
  const inputs = all("input:not([type=hidden]),select,textarea");
  for (const e of inputs) {
    const label = [...(e.labels || [])].map((l) => l.textContent).join(" ").trim() || labelled(e);
    rule(label, e, "an input has no label");
    if (e.getAttribute("aria-invalid") === "true") {
      const told = texts(e.getAttribute("aria-describedby"));
      rule(told.some((x) => x && shown(x) && x.textContent.trim() !== ""), e, "what is wrong with the input is not told beside it");
    }
  }
  all(".error").filter(shown).forEach((e) => rule(e.id && document.querySelector(`[aria-describedby~="${CSS.escape(e.id)}"][aria-invalid=true]`), e, "an error belongs to no input"));
  all("fieldset").forEach((e) => rule(e.querySelector("legend") && e.querySelector("legend").textContent.trim(), e, "a group has no name"));
  all("input[type=radio]").forEach((e) => rule(e.closest("fieldset"), e, "a choice is in no group"));
  const links = all("a[href]"), buttons = all("button,summary,[role=button]");
  links.forEach((e) => rule(nameOf(e), e, "a link has no name"));
  buttons.forEach((e) => rule(nameOf(e), e, "a button has no name"));
  const meant = new Map();
  for (const e of links.filter(shown)) {
    const name = nameOf(e).replace(/\s+/g, " ");
    rule(!meant.has(name) || meant.get(name) === e.href || e.closest("th,nav,.crumb,.mails,.plain,.timeline"), e, "a link of the same name leads elsewhere");
    meant.set(name, e.href);
  }

  // The size of what is clicked: 24 by 24, or that much space around it, unless
  // it is a link within a sentence.
  const targets = [...links, ...buttons, ...inputs].filter(shown);
  const boxes = new Map(targets.map((e) => [e, e.getBoundingClientRect()]));
  for (const [e, box] of boxes) {
    if (box.width >= 24 && box.height >= 24 || box.width <= 1) continue;
    const around = e.parentElement.textContent.trim();
    if (e.matches("a") && getComputedStyle(e).display === "inline" && around !== e.textContent.trim()) continue;
    const x = (box.left + box.right) / 2, y = (box.top + box.bottom) / 2;
    for (const [other, b] of boxes) {
      if (other === e || other.contains(e) || e.contains(other)) continue;
      const far = Math.hypot(Math.max(b.left - x, 0, x - b.right), Math.max(b.top - y, 0, y - b.bottom));
      rule(far >= 12, e, `it is only ${Math.round(box.width)} by ${Math.round(box.height)} px large, and too near to ${named(other)}`);
    }
  }

  // Colours.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const rgba = (color) => {
    if (known.has(color)) return known.get(color);
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    known.set(color, { r, g, b, a: a / 255 });
    return known.get(color);
  };
  const over = (top, below) => ({ r: top.r * top.a + below.r * (1 - top.a), g: top.g * top.a + below.g * (1 - top.a), b: top.b * top.a + below.b * (1 - top.a), a: 1 });
  const probe = document.createElement("div");
  probe.style.backgroundColor = "Canvas";
  document.body.append(probe);
  const paper = rgba(getComputedStyle(probe).backgroundColor);
  probe.remove();
  const behind = (e) => {
    const layers = [];
    for (let at = e; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      rule(style.backgroundImage === "none" || at.matches("select,input"), at, "text stands on a picture, whose contrast nobody knows");
      const color = rgba(style.backgroundColor);
      layers.push(color);
      if (color.a === 1) break;
    }
    return layers.reduceRight((below, top) => over(top, below), paper);
  };
  const light = ({ r, g, b }) => {
    const linear = [r, g, b].map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const contrast = (x, y) => { const [a, b] = [light(x), light(y)].sort((p, q) => q - p); return (a + 0.05) / (b + 0.05); };
  const legible = (e, color, style) => {
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    const least = size >= 24 || bold && size >= 18.66 ? 3 : 4.5;
    let opacity = 1;
    for (let at = e; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
    const background = behind(e), ink = rgba(color);
    const c = contrast(over({ ...ink, a: ink.a * opacity }, background), background);
    rule(c >= least, e, `its contrast is ${c.toFixed(2)}, not ${least}`);
  };
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (words.nextNode()) {
    const e = words.currentNode.parentElement;
    if (seen.has(e) || words.currentNode.data.trim() === "" || e.matches("script,style,option") || !shown(e)) continue;
    seen.add(e);
    const box = e.getBoundingClientRect();
    if (box.width <= 1 || box.height <= 1 || e.closest(":disabled")) continue;
    legible(e, getComputedStyle(e).color, getComputedStyle(e));
  }
  for (const e of inputs.filter(shown)) {
    const style = getComputedStyle(e);
    legible(e, style.color, style);
    if (e.placeholder) legible(e, getComputedStyle(e, "::placeholder").color, style);
    if (e.matches("[type=radio],[type=checkbox]")) continue; // drawn by the browser
    const c = contrast(over(rgba(style.borderBottomColor), behind(e.parentElement)), behind(e.parentElement));
    rule(c >= 3 || contrast(behind(e), behind(e.parentElement)) >= 3, e, `the contrast of its border is ${c.toFixed(2)}, not 3`);
  }

  // What can be scrolled must be reached by keyboard, and the page never sideways.
  all("*").forEach((e) => {
    if (e === document.documentElement || e === document.body || e.matches("textarea,input,select") || !shown(e)) return;
    const style = getComputedStyle(e);
    const scrolls = /auto|scroll/.test(style.overflowX) && e.scrollWidth > e.clientWidth + 1 || /auto|scroll/.test(style.overflowY) && e.scrollHeight > e.clientHeight + 1;
    rule(!scrolls || e.tabIndex >= 0 || e.querySelector("a[href],button,input,select,textarea"), e, "it scrolls, but not by keyboard");
  });
  const wide = document.documentElement;
  rule(wide.scrollWidth <= wide.clientWidth, null, `the page is ${wide.scrollWidth} px wide on a screen of ${wide.clientWidth} px`);

  // The focus can be seen.
  const look = (e) => { const s = getComputedStyle(e); return [s.outlineStyle, s.outlineWidth, s.outlineColor, s.boxShadow, s.borderColor, s.backgroundColor].join(); };
  const focusable = all("a[href],button,input:not([type=hidden]),select,textarea,summary,[tabindex='0']").filter(shown);
  const had = document.activeElement;
  for (const e of focusable) {
    const before = look(e);
    e.focus({ focusVisible: true, preventScroll: true });
    rule(document.activeElement === e, e, "it cannot have the focus");
    rule(look(e) !== before, e, "its focus cannot be seen");
    e.blur();
  }
  if (had && had.focus) had.focus({ preventScroll: true });
  return [...new Set(problems)];
})()
