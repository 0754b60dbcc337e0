// The same request in the languages that people call it from; as copied, it runs.

import { key } from "./api.js";
import { h } from "./dom.js";

const quote = (text) => JSON.stringify(text);
const python = (value) => JSON.stringify(value, null, 4).replace(/\bnull\b/g, "None").replace(/\btrue\b/g, "True").replace(/\bfalse\b/g, "False");
const php = (value) => `json_decode('${JSON.stringify(value).replace(/\\/g, "\\\\").replace(/'/g, "\\'")}', true)`;
const indent = (text, by) => text.replace(/\n/g, "\n" + " ".repeat(by));

export const LANGUAGES = ["curl", "Python", "JavaScript", "PHP", "Node", "Java"];

/** Source text that sends `body` to this server; `keyed`: with a key, taken from the environment where there is one. */
export function code(language, body, origin, keyed) {
  const url = `${origin}/v1/views`;
  const json = JSON.stringify(body, null, 2);
  switch (language) {
    case "curl":
      return [`curl -X POST ${url} \\`, ...(keyed ? [`  -H "Authorization: Bearer $ORBITVIEW_API_KEY" \\`] : []),
        `  -H "Prefer: wait" \\`, `  -H "Content-Type: application/json" \\`, `  -d '${json.replace(/'/g, "'\\''")}'`].join("\n");
    case "Python": {
      const { image, images, ...rest } = body;
      const azimuths = images && `, azimuths=${python(images.map((entry) => entry.azimuth ?? null))}`;
      const options = Object.entries(rest).map(([name, value]) => `,\n    ${name}=${indent(python(value), 4)}`).join("");
      return `${keyed ? "import os\n\n" : ""}from orbitview import Client\n\nclient = Client(${quote(origin)}${keyed ? ', api_key=os.environ["ORBITVIEW_API_KEY"]' : ""})\n`
        + `job = client.views(\n    ${images ? python(images.map((entry) => entry.image)) + azimuths : quote(image)}${options},\n)\nclient.save(job, "views")`;
    }
    case "JavaScript":
      return `${keyed ? 'const key = prompt("API key");\n' : ""}const answer = await fetch(${quote(url)}, {\n  method: "POST",\n  headers: {\n${keyed ? '    "Authorization": `Bearer ${key}`,\n' : ""}`
        + `    "Content-Type": "application/json",\n    "Prefer": "wait",\n  },\n  body: JSON.stringify(${indent(json, 2)}),\n});\nconst job = await answer.json();\nconsole.log(job.files.map((file) => file.url));`;
    case "PHP":
      return `<?php\n$curl = curl_init(${quote(url)});\ncurl_setopt_array($curl, [\n    CURLOPT_POST => true,\n    CURLOPT_RETURNTRANSFER => true,\n    CURLOPT_HTTPHEADER => ['Content-Type: application/json', 'Prefer: wait'`
        + `${keyed ? ", 'Authorization: Bearer ' . getenv('ORBITVIEW_API_KEY')" : ""}],\n    CURLOPT_POSTFIELDS => json_encode(${php(body)}),\n]);\n$job = json_decode(curl_exec($curl), true);\nfile_put_contents('grid.png', file_get_contents($job['files'][0]['url']));`;
    case "Node":
      return `import { writeFile } from "node:fs/promises";\n\nconst answer = await fetch(${quote(url)}, {\n  method: "POST",\n  headers: { ${keyed ? "Authorization: `Bearer ${process.env.ORBITVIEW_API_KEY}`, " : ""}"Content-Type": "application/json", Prefer: "wait" },\n`
        + `  body: JSON.stringify(${indent(json, 2)}),\n});\nconst job = await answer.json();\nfor (const file of job.files) {\n  await writeFile(file.name, Buffer.from(await (await fetch(file.url)).arrayBuffer()));\n}`;
    default:
      return `import java.net.URI;\nimport java.net.http.*;\n\npublic class Views {\n    public static void main(String[] arguments) throws Exception {\n        var request = HttpRequest.newBuilder(URI.create(${quote(url)}))\n`
        + `${keyed ? '            .header("Authorization", "Bearer " + System.getenv("ORBITVIEW_API_KEY"))\n' : ""}            .header("Content-Type", "application/json")\n            .header("Prefer", "wait")\n`
        + `            .POST(HttpRequest.BodyPublishers.ofString(${quote(JSON.stringify(body))}))\n            .build();\n        var client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build(); // no upgrade to HTTP/2 in mid-air\n        var answer = client.send(request, HttpResponse.BodyHandlers.ofString());\n        System.out.println(answer.body());\n    }\n}`;
  }
}

/** The panel's elements. */
export function asCode(body) {
  const shown = h("code", {});
  const picker = h("select", { onchange: () => write() }, LANGUAGES.map((name) => h("option", {}, name)));
  const copy = h("button", { type: "button", className: "quiet small", onclick: async () => {
    await navigator.clipboard.writeText(shown.textContent);
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  } }, "Copy");
  const write = () => (shown.textContent = code(picker.value, body, location.origin, Boolean(key.get())));
  write();
  return [h("div", { className: "row" }, h("label", { className: "inline" }, "Language ", picker), navigator.clipboard ? copy : ""), h("pre", { tabIndex: 0, "aria-label": "Source text" }, shown)];
}
