namespace KestrelEventLoopTransport.IntegrationTests.Recipes;

internal static class Substitution
{
    /// <summary>
    /// Puts what this machine has in place of what a recipe says. Fails if the recipe no longer says it.
    /// </summary>
    public static string With(this string recipe, string said, string here)
    {
        Assert.Contains(said, recipe, StringComparison.Ordinal);
        return recipe.Replace(said, here, StringComparison.Ordinal);
    }
}
