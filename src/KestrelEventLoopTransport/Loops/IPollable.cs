using KestrelEventLoopTransport.Diagnostics;
using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.Loops;

/// <summary>Something with a descriptor that a loop polls.</summary>
internal interface IPollable
{
    /// <summary>What it has carried so far. Any thread may ask.</summary>
    Traffic Traffic => default;

    /// <summary>
    /// Called by the loop's thread when the descriptor became ready. May still be called once while another thread
    /// closes the descriptor.
    /// </summary>
    void OnReady(PollEvents events);

    /// <summary>
    /// The loop has ended, and nothing polls the descriptor any more. Called by the thread that ran the loop.
    /// </summary>
    void OnLoopEnded()
    {
    }
}
