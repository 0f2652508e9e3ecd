namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// An <see cref="Explorer{TState}"/> has found a state that breaks a rule. The message has the way to it.
/// </summary>
internal sealed class IllegalStateException(string message) : Exception(message)
{
    /// <summary>
    /// Whether an exploration finds an illegal state. In a debug build, an assertion of the transitions may come first.
    /// </summary>
    internal static bool IsThrownBy(Func<object> explore)
        => Record.Exception(explore)?.GetType().Name is nameof(IllegalStateException) or "TraceAssertException";
}
