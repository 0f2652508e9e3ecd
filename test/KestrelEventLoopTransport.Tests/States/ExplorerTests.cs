namespace KestrelEventLoopTransport.Tests.States;

public class ExplorerTests
{
    [Fact]
    public void Finds_the_update_that_two_actors_lose()
    {
        // Each reads the counter and then writes what it read, plus one.
        var explorer = new Explorer<Counter>()
            .Actor("a", state => Step(state, state.A, (s, step) => s with { A = step }))
            .Actor("b", state => Step(state, state.B, (s, step) => s with { B = step }))
            .AtTheEnd("Both have counted", state => state.Value == 2);

        var exception = Assert.Throws<IllegalStateException>(
            () => explorer.Explore(new Counter(0, new(0, 0), new(0, 0))));

        Assert.Contains("Both have counted", exception.Message, StringComparison.Ordinal);
        Assert.Equal(6, exception.Message.Split(Environment.NewLine).Length);
    }

    [Fact]
    public void Finds_the_state_from_which_no_order_of_steps_leads_to_an_end()
    {
        // From 1 on it only turns.
        var explorer = new Explorer<int>()
            .AlwaysEnds()
            .Actor("walks", static state => state == 0 ? [1, 3] : [])
            .Actor("turns", static state => state == 1 ? [2] : state == 2 ? [1] : []);

        var exception = Assert.Throws<IllegalStateException>(() => explorer.Explore(0));

        Assert.StartsWith("An end can be reached", exception.Message, StringComparison.Ordinal);
        Assert.EndsWith("walks: 1", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Visits_every_order_of_the_steps()
    {
        var states = new Explorer<Counter>()
            .Actor("a", state => Step(state, state.A, (s, step) => s with { A = step }))
            .Actor("b", state => Step(state, state.B, (s, step) => s with { B = step }))
            .Explore(new Counter(0, new(0, 0), new(0, 0)));

        Assert.Equal(
            [1, 2], states.Where(state => state is { A.Place: 2, B.Place: 2 }).Select(state => state.Value).Order());
    }

    private static IEnumerable<Counter> Step(Counter state, Progress own, Func<Counter, Progress, Counter> set)
        => own.Place switch
        {
            0 => [set(state, new(1, state.Value))],
            1 => [set(state with { Value = own.Read + 1 }, new(2, 0))],
            _ => [],
        };

    private readonly record struct Progress(int Place, int Read);

    private readonly record struct Counter(int Value, Progress A, Progress B);
}
