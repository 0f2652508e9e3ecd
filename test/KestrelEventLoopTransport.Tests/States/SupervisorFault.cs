namespace KestrelEventLoopTransport.Tests.States;

/// <summary>Bugs of the supervisor, or of the threads that arm it, each of which the explorer has to find.</summary>
public enum SupervisorFault
{
    None,

    /// <summary>Falling half-awake does not make visible what threads have written before.</summary>
    NoBarrier,

    /// <summary>A thread reads whether the supervisor is armed before its callback is visible.</summary>
    NoFence,

    /// <summary>The half-awake supervisor looks before it disarms.</summary>
    LookBeforeDisarm,

    /// <summary>It looks without disarming.</summary>
    NoDisarm,

    /// <summary>A thread arms it and does not set the clock.</summary>
    ArmWithoutClock,

    /// <summary>It sleeps without an end although a callback runs.</summary>
    SleepAlthoughRunning,

    /// <summary>It sleeps for a fixed time, and does not look afterwards.</summary>
    NoLookAfterRest,

    /// <summary>A loop looks while the supervisor is half-awake.</summary>
    LoopLooksWhileDrowsy,

    /// <summary>The supervisor takes the notes while a loop has them.</summary>
    CloseWhileLooking,

    /// <summary>A stop does not set the clock.</summary>
    StopWithoutClock,
}
