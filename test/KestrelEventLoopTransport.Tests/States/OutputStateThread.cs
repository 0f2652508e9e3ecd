using KestrelEventLoopTransport.Connections.Output;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>How far one thread has come.</summary>
/// <param name="Place">The next step of its own program.</param>
/// <param name="Sending">The next step of the sender's program, if it sends.</param>
/// <param name="Todo">What it must do because of transitions that it made.</param>
/// <param name="Seen">The state that it read last, before a transition that depends on more than the state.</param>
/// <param name="Number">A number that it read last.</param>
/// <param name="Outcome">Why it stops sending.</param>
/// <param name="Chain">The chain that it may have to free.</param>
internal readonly record struct OutputStateThread(
    int Place,
    SendStep Sending,
    OutputAction Todo,
    OutputFlags Seen,
    int Number,
    SendOutcome Outcome,
    int Chain);
