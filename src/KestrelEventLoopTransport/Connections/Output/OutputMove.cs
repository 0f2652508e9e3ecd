namespace KestrelEventLoopTransport.Connections.Output;

/// <summary>One transition of <see cref="OutputState"/>.</summary>
/// <param name="Before">The state that the transition starts from.</param>
/// <param name="After">The state that it leads to. The same state: nothing changes.</param>
/// <param name="Action">What the thread that makes the transition must do next.</param>
internal readonly record struct OutputMove(
    OutputFlags Before, OutputFlags After, OutputAction Action = OutputAction.None);
