// What a job is doing, in words.

const STAGES = {
  queued: "Waiting", start: "Starting", fetch: "Fetching the picture", frame: "Cutting the object out", matte: "Cutting the object out",
  cut: "Cutting the object out", load: "Loading the engine", lift: "Seeing the whole object", surface: "Building the surface", mesh: "Building the surface",
  texture: "Painting it", render: "Drawing the views", done: "Writing the views", write: "Writing the pictures", denoise: "Drawing the views", decode: "Drawing the views",
  enlarging: "Making it larger", turntable: "Turning it", glb: "Writing the mesh", obj: "Writing the mesh", usdz: "Writing the mesh",
  ply: "Writing the mesh", stl: "Writing the print", "3mf": "Writing the print", success: "Done", failed: "Failed", cancelled: "Cancelled",
};

/** The stage's name for people; engines from elsewhere may have stages that nobody here knows. */
export const stage = (name) => STAGES[String(name).split(" ")[0]] || "Working";

export function progressText({ stage: name, position, status, eta }) {
  const place = position > 0 ? `, ${position} before it` : "";
  const left = status === "processing" && eta > 3 ? `, about ${eta} s left` : "";
  return `${stage(name)}${place}${left}`;
}

export const seconds = (count) => (count < 60 ? `${Math.floor(count)} s` : `${Math.floor(count / 60)} min ${Math.floor(count % 60)} s`);
