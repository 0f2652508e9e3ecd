namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// An <see cref="Explorer{TState}"/> has found a state that breaks a rule. The message has the way to it.
/// </summary>
internal sealed class IllegalStateException(string message) : Exception(message);
