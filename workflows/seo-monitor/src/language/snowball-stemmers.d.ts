declare module "snowball-stemmers" {
  const stemmers: {
    newStemmer(algorithm: string): { stem(word: string): string };
    algorithms(): string[];
  };
  export default stemmers;
}
