// Tables are sorted by the buttons that this puts into their heads; without it they read as they are.
const SCALE = { k: 1e3, M: 1e6, B: 1e9, T: 1e12 }

// the first number of "4.2 to 5.1", "1,234", "14.1M", "-0.3 (nats)"; undefined where the text does not begin with one
function firstNumber(text) {
  const found = /^(-?[\d,]*\.?\d+(?:e[-+]?\d+)?)([kMBT](?![a-z]))?/.exec(text)
  return found ? Number(found[1].replaceAll(",", "")) * (SCALE[found[2]] ?? 1) : undefined
}

// below 0 if a comes first; cells without a value come last in either direction
function compare(a, b, isNumber, sign) {
  const [left, right] = isNumber ? [firstNumber(a), firstNumber(b)] : [a || undefined, b || undefined]
  if (left === undefined || right === undefined) return (left === undefined) - (right === undefined)
  return sign * (isNumber ? left - right : left.localeCompare(right, "en", { numeric: true }))
}

function sortBy(head, heads, body) {
  const column = heads.indexOf(head)
  const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending"
  heads.forEach(other => other.removeAttribute("aria-sort"))
  head.setAttribute("aria-sort", direction)
  const text = row => row.cells[column].textContent.trim()
  const sign = direction === "ascending" ? 1 : -1
  const isNumber = head.classList.contains("number")
  body.append(...[...body.rows].sort((one, other) => compare(text(one), text(other), isNumber, sign)))
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells]
  for (const head of heads) {
    const button = document.createElement("button")
    button.type = "button"
    button.append(...head.childNodes)
    button.addEventListener("click", () => sortBy(head, heads, table.tBodies[0]))
    head.append(button)
  }
}

// on paper nothing can be opened, so asides are; what is long is left out (report.css)
let opened = []
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not(.unprinted, [open])")]
  opened.forEach(aside => { aside.open = true })
})
addEventListener("afterprint", () => opened.forEach(aside => { aside.open = false }))
