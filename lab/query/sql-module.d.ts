/** SQL files are imported as text: the bundler and the test runner are told how. */
declare module '*.sql' {
  const text: string;
  export default text;
}
