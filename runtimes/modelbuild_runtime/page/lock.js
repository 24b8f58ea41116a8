// A server that wants a key says nothing of its model before. The key stays here: it is in no address, cookie or storage.

const HEADER = "X-API-Key";
let key = "";

// What the page of the model is told, for the first key that the server takes.
async function unlocked() {
  const form = $("lock");
  const main = document.querySelector("main");
  form.hidden = false;
  main.hidden = true;
  $("key").focus();
  let data;
  while (!data) {
    await new Promise((resolve) => (form.onsubmit = (event) => resolve(event.preventDefault())));
    data = await tried($("key").value.trim());
  }
  document.title = document.querySelector("h1").textContent = data.name;
  for (const link of document.querySelectorAll("nav a:not([href=health])")) link.remove(); // no link can bear a key
  $("key").value = "";
  form.hidden = true;
  main.hidden = false;
  return data;
}

async function tried(candidate) {
  try {
    const answer = await fetch(new URL(".", location.href), { headers: { Accept: "text/html", [HEADER]: candidate } });
    const found = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(await answer.text());
    const data = found && JSON.parse(found[1]);
    if (data) key = candidate;
    $("key-error").textContent = data ? "" : "The server does not take this key.";
    return data;
  } catch (error) {
    $("key-error").textContent = `The server cannot be reached: ${error.message}`;
  }
}

const bearing = () => (key ? { [HEADER]: key } : {});
