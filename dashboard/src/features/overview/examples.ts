/** A few topics to try an empty installation with: each brings its own source, so that nothing has to be fetched. */

export const EXAMPLES = [
  {
    title: "How tides work",
    brief:
      "Explain why the sea rises and falls twice a day on most coasts, for a curious reader who lives by the sea.",
    keywords: ["tides", "Moon", "spring tide"],
    text: "Tides are caused by the difference in the Moon's pull from one side of the Earth to the other. The near ocean is pulled a little harder than the Earth as a whole, and the far ocean a little less. The result is two broad bulges of water, one towards the Moon and one away from it. As the Earth turns, most coasts pass through both bulges in a day. At new and full moon the Sun's pull adds to the Moon's, and the tides are largest: these are spring tides. At half moon the two pull at right angles, and the tides are smallest: neap tides.",
  },
  {
    title: "How a loaf of bread rises",
    brief: "Tell a beginner what yeast does in a dough and why time and warmth matter.",
    keywords: ["bread", "yeast", "gluten"],
    text: "Yeast is a fungus that feeds on the sugars in flour. As it feeds it gives off carbon dioxide, which collects in small bubbles. Kneading links two proteins of the flour into gluten, an elastic net that holds the bubbles. In a warm kitchen a dough doubles in one to two hours; in a refrigerator it takes a night, and tastes of more. In the oven the bubbles grow once more before the crust sets. Salt slows the yeast down and strengthens the gluten.",
  },
  {
    title: "Why leaves turn red in autumn",
    brief: "Explain the colours of autumn leaves to someone who walks in the woods.",
    keywords: ["autumn", "leaves", "chlorophyll"],
    text: "In summer leaves are green because of chlorophyll, which catches light. When days grow short, trees stop making it, and what was there breaks down. Yellow and orange pigments, the carotenoids, were in the leaf all the time and now show. Red is different: many trees make anthocyanins in autumn from sugars that are left in the leaf. Cool nights and sunny days bring the strongest reds. A layer of cork then grows at the stalk, and the leaf falls.",
  },
] as const;
