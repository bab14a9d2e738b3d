// What the event stream sends, turned back into what a GET answers. Nothing here knows of connections or of the page.
//
// Values are never changed in place, and what a patch leaves alone keeps its identity: that is how the page knows which
// rows to draw again.

type Fields = Record<string, unknown>;

/** A list whose elements have a key, as the stream sends it, so that one changed row is one changed field. */
interface Folded {
  $order: unknown[];
  $rows: Fields;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isFolded(value: Fields): value is Fields & Folded {
  return Array.isArray(value.$order) && isFields(value.$rows);
}

/** JSON merge patch (RFC 7396): fields replace fields, `null` removes, anything but an object replaces the whole. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isFields(patch)) return patch;
  const merged: Fields = isFields(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = mergePatch(merged[name], value);
  }
  return merged;
}

/** Lists that were already turned back, by what they were made of. */
const unfolded = new WeakMap<object, unknown>();

/** Turns keyed lists back into arrays, at any depth. The same input gives the same output, identity included. */
export function unfold(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const known = unfolded.get(value);
  if (known !== undefined) return known;
  const plain = unfoldOnce(value);
  unfolded.set(value, plain);
  return plain;
}

function unfoldOnce(value: object): unknown {
  if (Array.isArray(value)) return value.map(unfold);
  const fields = value as Fields;
  if (isFolded(fields)) {
    const { $order, $rows } = fields;
    return $order.filter((key) => String(key) in $rows).map((key) => unfold($rows[String(key)]));
  }
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, unfold(field)]));
}
