// The same request in the languages that people call it from.

const quote = (text) => JSON.stringify(text);
const python = (value, indent = 0) =>
  JSON.stringify(value, null, 4).replace(/\bnull\b/g, "None").replace(/\btrue\b/g, "True").replace(/\bfalse\b/g, "False").replace(/\n/g, "\n" + " ".repeat(indent));
const php = (value) => "json_decode(" + "'" + JSON.stringify(value).replace(/\\/g, "\\\\").replace(/'/g, "\\'") + "', true)";

export const LANGUAGES = ["curl", "Python", "JavaScript", "PHP", "Node", "Java"];

/** Source text that sends `body` to this server and saves the grid. */
export function code(language, body, origin) {
  const url = `${origin}/v1/views`;
  const json = JSON.stringify(body, null, 2);
  switch (language) {
    case "curl":
      return `curl -X POST ${url} \\\n  -H "Authorization: Bearer $ORBITVIEW_API_KEY" -H "Prefer: wait" \\\n  -H "Content-Type: application/json" \\\n  -d '${json.replace(/'/g, "'\\''")}'`;
    case "Python": {
      const { image, ...rest } = body;
      const options = Object.entries(rest).map(([name, value]) => `, ${name}=${python(value)}`).join("");
      return `from orbitview import Client\n\nclient = Client(${quote(origin)}, api_key="…")\njob = client.views(${quote(image)}${options})\nclient.save(job, "views")`;
    }
    case "JavaScript":
      return `const answer = await fetch(${quote(url)}, {\n  method: "POST",\n  headers: {\n    "Authorization": "Bearer …",\n    "Content-Type": "application/json",\n    "Prefer": "wait",\n  },\n  body: JSON.stringify(${json.replace(/\n/g, "\n  ")}),\n});\nconst job = await answer.json();\nconsole.log(job.files.map((file) => file.url));`;
    case "PHP":
      return `<?php\n$curl = curl_init(${quote(url)});\ncurl_setopt_array($curl, [\n    CURLOPT_POST => true,\n    CURLOPT_RETURNTRANSFER => true,\n    CURLOPT_HTTPHEADER => ['Content-Type: application/json', 'Authorization: Bearer …', 'Prefer: wait'],\n    CURLOPT_POSTFIELDS => json_encode(${php(body)}),\n]);\n$job = json_decode(curl_exec($curl), true);\nfile_put_contents('grid.png', file_get_contents($job['files'][0]['url']));`;
    case "Node":
      return `import { writeFile } from "node:fs/promises";\n\nconst answer = await fetch(${quote(url)}, {\n  method: "POST",\n  headers: { Authorization: \`Bearer \${process.env.ORBITVIEW_API_KEY}\`, "Content-Type": "application/json", Prefer: "wait" },\n  body: JSON.stringify(${json.replace(/\n/g, "\n  ")}),\n});\nconst job = await answer.json();\nfor (const file of job.files) {\n  await writeFile(file.name, Buffer.from(await (await fetch(file.url)).arrayBuffer()));\n}`;
    default:
      return `import java.net.URI;\nimport java.net.http.*;\n\nvar request = HttpRequest.newBuilder(URI.create(${quote(url)}))\n    .header("Authorization", "Bearer " + System.getenv("ORBITVIEW_API_KEY"))\n    .header("Content-Type", "application/json")\n    .header("Prefer", "wait")\n    .POST(HttpRequest.BodyPublishers.ofString(${quote(JSON.stringify(body))}))\n    .build();\nvar answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());\nSystem.out.println(answer.body());`;
  }
}
