-- Members of a JSON object in its text, which is edited in place: numbers, key order and unknown fields stay as sent.
-- Precedes the scripts that edit requests, because a script of Envoy's has no module to load.

-- The place behind the string that begins at `at`; nil where it never ends.
local function after_string(text, at)
  while true do
    at = string.find(text, '["\\]', at + 1)
    if at == nil then
      return nil
    elseif string.byte(text, at) == 92 then
      at = at + 1
    else
      return at + 1
    end
  end
end

-- A member's name as a JSON reader sees it: an escaped letter hides nothing.
local function spelt_out(name)
  return (string.gsub(name, "\\u00(%x%x)", function(code) return string.char(tonumber(code, 16)) end))
end
