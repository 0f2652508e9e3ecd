namespace Plaintext;

internal sealed record Greeting(string Message);
